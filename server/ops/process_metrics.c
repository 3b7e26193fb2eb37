/* The metrics of the process, from the kernel. */

#include "server/ops/metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void add_memory(struct buffer *to)
{
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned long long virtual_pages, resident_pages;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[128];
    ssize_t len;

    if (fd < 0)
        return;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len <= 0)
        return;
    text[len] = '\0';
    if (sscanf(text, "%llu %llu", &virtual_pages, &resident_pages) != 2) /* NOLINT(cert-err34-c) */
        return;
    metrics_add_gauge(to, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
                      virtual_pages * page_bytes);
    metrics_add_gauge(to, "process_resident_memory_bytes", "Resident memory size in bytes.",
                      resident_pages * page_bytes);
}

static void add_cpu(struct buffer *to)
{
    struct rusage usage;
    long long s, us;
    char text[64];

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    us = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    s = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + us / 1000000;
    metrics_add_head(to, "process_cpu_seconds_total",
                     "Total user and system CPU time spent in seconds.", "counter");
    snprintf(text, sizeof(text), "process_cpu_seconds_total %lld.%06lld\n", s, us % 1000000);
    buffer_add_string(to, text);
}

/* Appends the number of entries of /proc/self/fd, without the descriptor of the folder itself. */
static void add_open_files(struct buffer *to)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (folder == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    metrics_add_gauge(to, "process_open_fds", "Number of open file descriptors.", count - 1);
}

static void add_most_files(struct buffer *to)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
        metrics_add_gauge(to, "process_max_fds", "Maximum number of open file descriptors.",
                          files.rlim_cur);
}

void metrics_add_process(struct buffer *to, int64_t started_s)
{
    add_memory(to);
    add_cpu(to);
    add_open_files(to);
    add_most_files(to);
    metrics_add_gauge(to, "process_start_time_seconds",
                      "Start time of the process since unix epoch in seconds.",
                      (uint64_t)started_s);
}
