/* @WHAT@
   cc -o client client.c && ./client bonjour */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void copy(int from, int to) {
    char bytes[4096];
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;) if (write(to, bytes, n) < 0) return;
}

int main(int count, char **words) {
    struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *at = NULL;
    int hub = -1, typist;
    for (getaddrinfo("@HOST@", "@PORT@", &want, &at); at; at = at->ai_next)
        if (connect(hub = socket(at->ai_family, SOCK_STREAM, 0), at->ai_addr, at->ai_addrlen) == 0) break;
    if (!at) return perror("@ADDRESS@"), 1;
    dprintf(hub, "/join @ROOM@\n");
    if (count > 1) dprintf(hub, "%s\n", words[1]);
    if ((typist = fork()) == 0) return copy(0, hub), shutdown(hub, SHUT_WR);
    copy(hub, 1);
    if (typist > 0) kill(typist, SIGTERM);
}
