"""The earlier exercise rebuilt: a Flask server that increments a path's row and lists the rows with the highest
counts.

Served by gunicorn, whose workers each have one connection. As in the original, SQL gets parameters, and each GET
is one transaction that commits before the answer.
"""

import os

import psycopg2
from flask import Flask, render_template

app = Flask(__name__)
_connection = None

BUMP = ("INSERT INTO pathcount (path, count) VALUES (%s, 1) "
        "ON CONFLICT (path) DO UPDATE SET count = pathcount.count + 1 RETURNING count")
TOP = "SELECT path, count FROM pathcount ORDER BY count DESC LIMIT 100"


def connection():
    """The worker's connection; a transaction begins with its first statement."""
    global _connection
    if _connection is None:
        _connection = psycopg2.connect(
            host=os.environ["POSTGRES_URL"], port=os.environ["POSTGRES_PORT"],
            user=os.environ["POSTGRES_USER"], dbname=os.environ["POSTGRES_DB"])
    return _connection


@app.route("/", defaults={"path": ""})
@app.route("/<path:path>")
def count(path):
    """Counts the GET and shows the counts."""
    path = "/" + path
    with connection() as transaction, transaction.cursor() as cursor:
        cursor.execute(BUMP, (path,))
        number = cursor.fetchone()[0]
        cursor.execute(TOP)
        rows = cursor.fetchall()
    return render_template("page.html", path=path, number=number, rows=rows)
