# @WHAT@
# python3 client_udp.py bonjour
import select, socket, sys, threading

hub = socket.socket(socket.AF_INET6 if ":" in "@HOST@" else socket.AF_INET, socket.SOCK_DGRAM)
hub.connect(("@HOST@", @PORT@))
hub.send("@UDP@/join @ROOM@\n".encode())
answer = hub.recv(1200, socket.MSG_PEEK)
hub.send(answer if answer.startswith(b"/join ") else b"")
hub.send(" ".join(sys.argv[1:]).encode())
threading.Thread(target=lambda: [hub.send(line.encode()) for line in sys.stdin]).start()
while True:
    print(hub.recv(1200).decode(), end="", flush=True) if select.select([hub], [], [], 30)[0] else hub.send(b"")
