"""Shared code of the tests of the running pair and of the stack on a lab of hosts.

    wait      waiting for a condition, always with a deadline
    http      HTTP/1.1 on a plain socket: one parser for clients, proxies and load
    postgres  a private PostgreSQL cluster and the ledgers (databases) in it
    services  counter-svc and render-svc as processes, and the promises that each must keep
    stage     everything that a test starts, ended in reverse order
    proxy     between the two services, or before one: loses, delays and falsifies answers
    faultlib  libraries preloaded into a process: failing calls, a clock that tests set
    wire      a proxy for plain bytes: before PostgreSQL, or for a browser
    listener  the listening socket of both proxies
    api       a client of counter-svc that checks every answer against proto/counter-api.yml
    page      reads the HTML page as a person would
    lab       the lab of hosts, the stack on it, loads and their audit (tests/overlay, ha, mesh)
    fixtures  of pytest, for every suite on a lab
    load      many clients at once, which record requests and answers; the audit
"""
