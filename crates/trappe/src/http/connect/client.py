# @WHAT@
# python3 client.py bonjour
import os, socket, sys, threading

hub = socket.create_connection(("@HOST@", @PORT@))

def listen():
    for line in hub.makefile(encoding="utf-8"):
        print(line, end="", flush=True)
    os._exit(0)

threading.Thread(target=listen).start()
hub.sendall("/join @ROOM@\n".encode())
if len(sys.argv) > 1:
    hub.sendall((" ".join(sys.argv[1:]) + "\n").encode())
for line in sys.stdin:
    hub.sendall(line.encode())
hub.shutdown(socket.SHUT_WR)
