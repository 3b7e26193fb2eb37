-- pgbench: one row, one transaction; :paths rows, :stride apart in their names.
\set number random(0, :paths - 1) * :stride
INSERT INTO pathcount (path, count)
VALUES ('/bench/' || lpad(:number::text, 7, '0'), 1)
ON CONFLICT (path) DO UPDATE SET count = pathcount.count + 1;
