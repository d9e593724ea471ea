/* A member of a trappe hub by UDP, all of it: joins the lobby, says one thing, prints what it is told.

       cc -o udp udp.c && ./udp localhost 5566

   One datagram is one message, both ways. To a hub on another machine this one first proves that its address is its
   own: the hub answers "/join lobby" with "/join lobby COOKIE", which is to be sent back as it is. A datagram of
   nothing says nothing, but tells the hub that we are still here: 60 s without a word end a membership. */
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words) {
    char heard[1201] = "";
    struct addrinfo udp = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *at;
    if (count != 3 || getaddrinfo(words[1], words[2], &udp, &at) != 0) return fputs("udp HOST PORT\n", stderr), 2;
    struct pollfd hub = {.fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN};
    if (connect(hub.fd, at->ai_addr, at->ai_addrlen) != 0) return perror("the hub"), 1;
    dprintf(hub.fd, "/join lobby\n");
    if (recv(hub.fd, heard, 1200, MSG_PEEK) > 0 && strncmp(heard, "/join ", 6) == 0) dprintf(hub.fd, "%s", heard);
    dprintf(hub.fd, "bonjour de C, par UDP\n");
    for (ssize_t n = 0; n >= 0 && write(1, heard, n) == n; send(hub.fd, "", 0, 0))
        n = poll(&hub, 1, 30000) > 0 ? read(hub.fd, heard, 1200) : 0;
}
