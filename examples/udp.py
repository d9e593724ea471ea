# A member of a trappe hub by UDP, all of it: joins the lobby, says one thing, prints what it is told.
#
#     python3 udp.py localhost 5566
#
# One datagram is one message, both ways. To a hub on another machine this one first proves that its address is its
# own: the hub answers "/join lobby" with "/join lobby COOKIE", which is to be sent back as it is. A datagram of nothing
# says nothing, but tells the hub that we are still here: 60 s without a word end a membership.
import select, socket, sys

hub = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
hub.connect((sys.argv[1], int(sys.argv[2])))
hub.send(b"/join lobby\n")
answer = hub.recv(1200, socket.MSG_PEEK)  # only a look: it is printed below, like all that comes
hub.send(answer if answer.startswith(b"/join ") else b"")
hub.send("bonjour de Python, par UDP".encode())
while True:
    if select.select([hub], [], [], 30)[0]: print(hub.recv(1200).decode(), end="", flush=True)
    hub.send(b"")
