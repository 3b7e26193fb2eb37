"""What the tests of the running pair, and of the stack on a lab of hosts, stand on.

    wait      waiting for a condition, always with a deadline
    http      HTTP/1.1 on a plain socket: one parser for clients, proxies and load
    postgres  a private PostgreSQL cluster and the ledgers (databases) in it
    services  counter-svc and render-svc as processes, and what each must keep to until its end
    stage     everything a test has started, ended in reverse order
    proxy     between the two services, or before one: loses, delays, lies
    faultlib  what is preloaded into a process: calls that fail, a clock that is set
    wire      the same where only bytes are known: before PostgreSQL, or a browser
    listener  what both proxies are
    api       a client of counter-svc that holds every answer against proto/counter-api.yml
    page      what a person reads on the HTML page
    lab       the lab of hosts, the stack on it, loads and their audit (tests/overlay, ha, mesh)
    fixtures  of pytest, for every suite on a lab
    load      many clients at once, who remember what they sent and what they were told; the audit
"""
