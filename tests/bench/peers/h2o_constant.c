/* The upper bound of the benchmark: libh2o alone, which answers every GET with a body from memory.
 *
 *     h2o_constant THREADS TYPE FILE
 *
 * The body is the content of FILE, its Content-Type is TYPE. The program adds no other headers;
 * pathcount's answers have five more. It listens on a free port and prints the port. Each thread
 * has its own loop, and all accept from the same listener, like the workers of pathcount's
 * services. */

#include <errno.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_THREADS    64
#define MAX_BODY       (1 << 20)
#define ACCEPTS_A_TURN 16
#define IDLE_MS        60000
#define MAX_WAIT_MS    1000

struct thread {
    h2o_globalconf_t conf;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_loop_t *loop;
};

static const char *content_type;
static h2o_iovec_t body;

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    static h2o_generator_t generator = {NULL, NULL};

    (void)self;
    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = body.len;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, content_type,
                   strlen(content_type));
    h2o_start_response(req, &generator);
    h2o_send(req, &body, 1, H2O_SEND_STATE_FINAL);
    return 0;
}

static void on_acceptable(h2o_socket_t *listener, const char *error)
{
    struct thread *thread = listener->data;
    h2o_socket_t *socket;

    (void)error;
    for (int i = 0; i < ACCEPTS_A_TURN; ++i) {
        socket = h2o_evloop_socket_accept(listener);
        if (socket == NULL)
            return;
        h2o_accept(&thread->accept, socket);
    }
}

static void *run(void *fd)
{
    struct thread *thread = calloc(1, sizeof(*thread));
    h2o_hostconf_t *host;
    h2o_socket_t *listener;

    if (thread == NULL)
        abort();
    thread->loop = h2o_evloop_create();
    h2o_config_init(&thread->conf);
    thread->conf.server_name = h2o_iovec_init(H2O_STRLIT(""));
    thread->conf.http1.req_timeout = IDLE_MS;
    thread->conf.http1.upgrade_to_http2 = 0;
    host = h2o_config_register_host(&thread->conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_create_handler(&host->fallback_path, sizeof(h2o_handler_t))->on_req = on_request;
    h2o_context_init(&thread->context, thread->loop, &thread->conf);
    thread->accept = (h2o_accept_ctx_t){.ctx = &thread->context, .hosts = thread->conf.hosts};
    listener = h2o_evloop_socket_create(thread->loop, dup(*(int *)fd), H2O_SOCKET_FLAG_DONT_READ);
    listener->data = thread;
    h2o_socket_read_start(listener, on_acceptable);
    while (h2o_evloop_run(thread->loop, MAX_WAIT_MS) == 0 || errno == EINTR)
        ;
    abort();
}

static void read_body(const char *path)
{
    static char bytes[MAX_BODY];
    FILE *file = fopen(path, "rbe");

    if (file == NULL) {
        fprintf(stderr, "h2o_constant: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    body = h2o_iovec_init(bytes, fread(bytes, 1, sizeof(bytes), file));
    fclose(file);
}

static int open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        fprintf(stderr, "h2o_constant: cannot listen: %s\n", strerror(errno));
        exit(1);
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    int fd, threads = argc == 4 ? atoi(argv[1]) : 0;
    pthread_t ids[MAX_THREADS];

    if (threads < 1 || threads > MAX_THREADS) {
        fputs("usage: h2o_constant THREADS TYPE FILE\n", stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    content_type = argv[2];
    read_body(argv[3]);
    fd = open_listener();
    for (int i = 0; i < threads; ++i)
        if (pthread_create(&ids[i], NULL, run, &fd) != 0)
            abort();
    pthread_join(ids[0], NULL);
    return 1;
}
