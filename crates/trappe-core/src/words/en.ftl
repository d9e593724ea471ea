# Every sentence that trappe says in English. fr.ftl has the same ids, with the same variables; tests hold that.
# A text that a client chose is escaped before it comes in here.

## The server's console

server-started = The server is running!
server-where = listening on { $addresses }
server-where-udp = listening on { $addresses } (TCP and UDP)
server-who-loopback = only this machine may connect; --open lets any
server-who-open = any machine that reaches this port may connect (--open)
server-data = history: { $path } ({ $count ->
    [one] { $count } message
   *[other] { $count } messages
    })
server-try = try: { $command }
server-try-page = try: { $command }, or { $page } in a browser
store-new = history: { $path } is new; what is said is kept there from now on
store-was-empty = history: { $path } was empty; it begins now
store-unclean = history: the last stop wasn't clean; { $rooms ->
    [0] no room has unused numbers
    [one] { $rooms } room has unused numbers, announced to whoever asks for them
   *[other] { $rooms } rooms have unused numbers, announced to whoever asks for them
    }
store-new-epoch = history: the rooms begin a new life, { $reason ->
    [starts] since this file isn't that of the last start (a backup put back?)
    [copied] since this file was copied or replaced
    [no-wal] since the journal of the last start (-wal) is gone
    [short] since the file is shorter than it should be
    [salvaged] since the file was damaged
    [no-life] since the file "life" beside it is gone
   *[other] since nobody knows what came after it
    }; positions of before are no longer good
store-salvaged = history: the file was damaged; { $kept ->
    [one] { $kept } message saved
   *[other] { $kept } messages saved
    }, { $lost ->
    [0] none lost
    [one] { $lost } lost
   *[other] { $lost } lost
    }; the old file is left: { $path }
disk-full = the disk is full: nothing is kept or acknowledged any more, everything is still delivered; make room, the rest happens by itself
disk-failed = the disk doesn't write ({ $error }): nothing is kept or acknowledged any more, everything is still delivered; it is tried again
store-damaged = part of the history is damaged ({ $error }); the next start keeps what is sound; until then nothing old is taken away, and searching may find less
disk-back = the disk writes again; { $count ->
    [0] no message is missing in history
    [one] { $count } message delivered meanwhile isn't in history
   *[other] { $count } messages delivered meanwhile aren't in history
    }
client-arrives = A client has just connected...
server-stopping = stopping: the last messages are being delivered; a second signal stops at once
lines-lost = … { $count ->
    [one] { $count } line
   *[other] { $count } lines
    } left out here: the console fell behind; the members got everything
refused-remote-log = { $address } refused: this hub speaks only to its own machine; --open opens it to any
tls-refused-log = { $address } speaks TLS; this hub doesn't yet, and answered with a TLS alert: connect without TLS
full-descriptors-log = out of file descriptors (limit: { $limit }): new clients are refused; raise it with ulimit -n

## The client

client-connected = Client connected!
client-away = connection lost; your last words may not have arrived; trying until the server is back
client-back = connected again
client-waits = { $address } doesn't answer yet; trying
client-gave-up = the server didn't come back; given up. --retry forever waits for it without end
client-failed = Could not connect to the server!
client-hello = Hello, I am the client! :)

## Notices

welcome = you are { $name }, in { $room }, position { $position }; /help tells what you can do
joined = { $name } has arrived
left = { $name } has left
left-saying = { $name } has left: { $text }
renamed = { $old } is now called { $new }
server-goodbye = the server is stopping; all that it accepted is delivered; goodbye

## Replies

you-are = you are { $name }
now-in = you are in { $room }, { $count ->
    [one] { $count } member
   *[other] { $count } members
    }, position { $position }
goodbye-bare = goodbye
goodbye = goodbye; your position: { $position }
who = { $count ->
    [one] { $count } member
   *[other] { $count } members
    } in { $room }:
who-more = { $count ->
    [one] … and { $count } other
   *[other] … and { $count } others
    }
rooms = { $count ->
    [one] { $count } room:
   *[other] { $count } rooms:
    }
rooms-one = { $room }, { $count ->
    [one] { $count } member
   *[other] { $count } members
    }
history-begin = history ({ $count })
history-end = end
search-begin = search "{ $words }": { $count ->
    [one] { $count } message
   *[other] { $count } messages
    }
search-more = search "{ $words }": { $count ->
    [one] the last message
   *[other] the last { $count } messages
    }; older ones have these words too
search-none = search "{ $words }": no message
position = position { $position }
live = live
gap = gap { $from }..{ $to } ({ $count ->
    [one] { $count } message
   *[other] { $count } messages
    })
gap-mtu = gap { $from }..{ $from } (1 message, longer than a datagram of { $limit } bytes)
gap-unused = gap { $from }..{ $to } (numbers that were set aside, then never given: there is no message)
gap-not-stored = gap { $from }..{ $to } ({ $count ->
    [one] { $count } message that the disk didn't keep
   *[other] { $count } messages that the disk didn't keep
    })
gap-damaged = gap { $from }..{ $to } ({ $count ->
    [one] { $count } message damaged on the disk
   *[other] { $count } messages damaged on the disk
    })
following = state of { $room }: { $count ->
    [one] { $count } key
   *[other] { $count } keys
    }
udp-key = within { $seconds } s, send to this port a UDP datagram that begins with { $key }; what its address says from then on is said by you
udp-already = you are here by UDP: each of your datagrams is yours already
no-echo = by UDP /echo goes with /format json only; /ack on tells what has arrived
udp-busy = too many keys wait for their datagram; try again in a minute
no-udp = this server speaks no UDP (--only)
udp-attached = what { $address } says by datagrams is said by you from now on
format-is = format: { $format }
framing-is = framing: { $framing }
lang-is = language: { $lang }
echo-on = your own messages come back to you
echo-off = your own messages no longer come back to you
ack-on = each of your messages will be acknowledged (+ack)
ack-off = your messages are no longer acknowledged
quiet-on = no more notices; messages go on
quiet-off = notices are back
pong = pong { $text }
pong-bare = pong

## What a sender is told once about its bytes

cut-by-pause = message cut by 20 ms of silence, for want of a \n; to cut it yourself: end each message with \n, or /framing chunk, nul or len32
bytes-latin1 = these bytes look like Latin-1; others see \xNN where the accents are; send UTF-8
bytes-windows1252 = these bytes look like Windows-1252; others see \xNN where the accents are; send UTF-8
bytes-damaged = these bytes are damaged or cut UTF-8; others see \xNN where it is
bytes-binary = these bytes are no UTF-8 text; others see the beginning of them, as \xNN; /format raw receives them as they are

## /why

why-heading = state of { $name }:
why-one = { $name }: { $transport } { $address }, here for { $since }; position { $position }; { $lag }; { $missed }
why-lag = { $messages ->
    [0] up to date
    [one] { $messages } message behind
   *[other] { $messages } messages behind
    }
why-never-missed = nothing missed
why-missed = { $count ->
    [one] { $count } message missed: { $cause }
   *[other] { $count } messages missed: { $cause }
    }
why-refused = { $count ->
    [one] { $count } message refused
   *[other] { $count } messages refused
    }
why-watched = { $count ->
    [one] { $count } person watches what passes over this connection
   *[other] { $count } people watch what passes over this connection
    }
why-cause-udp = longer than a datagram, or passed over for newer ones
why-cause-slow = read too slowly, the hub could keep no more for it
why-cause-forgotten = the position asked for is older than what the hub keeps
why-cause-other-life = the position asked for is of another life of the room

## Durations

duration-seconds = { $seconds } s
duration-minutes = { $minutes } min { $seconds } s
duration-hours = { $hours } h { $minutes } min
duration-days = { $days } d { $hours } h

## Errors; the code stands before them

too-long = > { $limit } bytes; message refused
unfinished = line never finished; its { $bytes } bytes are dropped; end each line with \n
unfinished-pool = too many unfinished lines on this hub; the { $bytes } bytes of yours, the longest, are dropped; end it with \n
unknown-command = unknown command: /{ $word }; nothing is sent; /help lists them, //{ $word } says it as it is
missing-argument = something is missing; usage: { $usage }
bad-argument = "{ $given }" won't do; usage: { $usage }
too-many-arguments = there is something too many; usage: { $usage }
not-utf8 = unreadable command: it isn't UTF-8; nothing is sent
not-yet = { $what } doesn't exist yet in this version
bad-position = "{ $given }" is no position; expected: EPOCH@SEQ, or SEQ alone
bad-key-empty = a key can't be empty
bad-key-long = a key has { $limit } characters at most
bad-key-character = "{ $character }" can't be in a key; letters, digits, - _ . : / only
bad-key-marks = in a key, a combining mark stands on a letter, and a letter bears { $limit } at most
bad-version = "{ $given }" is no version; expected: KEY#V, V a whole number from 0 to 2^32 − 1
no-such-key = this key has no value here: { $key }; /get gives all that have one, /set gives it one
stale-version = { $key }: you have given version { $version } or a newer one already; nothing is changed
state-full = there is no space left for the state of { $room }; nothing is changed; shorten values, or empty some
bad-name-empty = a name can't be empty
bad-name-long = a name has { $limit } characters at most
bad-name-character = "{ $character }" can't be in a name; letters, digits, - _ . only
bad-name-marks = a letter of this name bears too many combining marks
bad-name-start = a name begins with a letter, a digit, - _ or ., not with a combining mark
bad-name-scripts = the letters of a name are of one script, its digits of one kind
bad-name-reserved = this name is reserved; choose another
name-taken = { $name } is taken; { $free } is free: /nick { $free }
name-taken-bare = { $name } is taken; choose another name
no-such-member = nobody is called { $name }; /who tells who is here
no-such-room = no room is called { $room }; /rooms lists them, /join makes it
busy = { $name } can't receive anything just now; not delivered, try again later
mtu = { $name } receives by datagrams, and this message doesn't fit into one; not delivered, make it shorter
mtu-state = the value of { $key } takes { $bytes } bytes, a datagram { $limit } at most; /get { $key } gives it by TCP
mtu-reply = this answer has { $bytes } bytes, a datagram { $limit } at most; ask for less, or connect by TCP
full-members = the hub is full: it can hold no more members; try again later
full-rooms = the hub is full: it can hold no more rooms; join one, /rooms lists them
full-descriptors = the hub is full: the system gives it no more connections; try again in a moment
remote-refused = this hub speaks only to its own machine until told otherwise; start it with --open, or connect through ssh -L PORT:localhost:PORT HOST
slow-closed = connection closed: read too slowly, the hub could keep no more; read faster, or /format text, which tells what is missing and goes on
stalled-closed = connection closed: nothing was read for too long
silent-closed = nothing came from you for 60 s: you are no member any more; /join ROOM brings you back, and an empty datagram now and then is enough to stay
shutting-down = the server is stopping; connect again later

one-room = JSON may be in several rooms, the other formats in one only; you are in { $count }; keep just one
framing-fixed = on WebSocket each message is a frame already; /framing means nothing there
framing-udp = by UDP each datagram is a message already; /framing means nothing there
not-an-op = expected a JSON object with "op", such as send with "text", or a command such as /help
bad-json = this isn't JSON, from byte { $at } on; one object a line or a frame
not-an-object = this is JSON, but no object; each line or frame is an object, with op
duplicate-key = the field "{ $key }" is given twice
too-many-fields = an object has { $limit } fields at most
too-deep = objects and lists lie in one another at most { $limit } deep
unknown-op = unknown op: "{ $op }"; nothing is done
op-not-yet = this op doesn't exist yet in this version
missing-field = the field "{ $field }" is missing
bad-field = the field "{ $field }" won't do; expected: { $wanted ->
    [text] a string
    [line] a string without a line break
    [something] a string that isn't empty
    [words] words to search for, { $limit } characters at most
    [base64] bytes in base 64 (standard alphabet)
    [one-body] text or b64, not both
    [switch] true or false
    [number] a whole number from 0 to 2^53 − 1
    [count] a whole number from 1 to 2^53 − 1
    [position] "EPOCH@SEQ", "SEQ" or a whole number
    [version] a whole number from 0 to 2^32 − 1
    [rooms] a list of at most { $limit } rooms, each an object with room
    [format] text, raw or json
   *[lang] fr or en
    }
which-room = say which room is meant, with "room"; you are in { $count }
nowhere = you are in no room; go into one first, with join
not-in-room = you are not in { $room }; go there first, with join
too-many-rooms = { $limit } rooms at once at most; leave one first
stale-id = id { $id } is too old: nobody knows any more whether it was said, and it isn't said a second time; go on with a greater id
not-stored = { $position }: message delivered, but not kept: the hub's disk is full or doesn't write; say it again if it must be kept
no-search = this hub keeps no history on disk, and so has nothing to search; to make it keep one: trappe server --data FOLDER
gone = this session was taken over elsewhere; nothing is done
superseded = this session goes on over another connection
no-lines = this address speaks only { $spoken }

## Other protocols on this port

not-http = this HTTP request came too late or too slowly and passed for something else; try again on a new connection, in one go (port { $port })
not-http2 = this port is a trappe socket hub and doesn't speak HTTP/2; try: nc HOST { $port }
not-ssh = this port is a trappe socket hub, not an SSH server; try: nc HOST { $port }
not-mqtt = this port is a trappe socket hub, not an MQTT server; try: nc HOST { $port }

## HTTP

http-bad-request = this HTTP request isn't correct, and isn't acted on
http-bad-room = this can't be the name of a room; letters, digits, - _ . only
http-local-only = this hub answers only its own machine, with nothing in between, until told otherwise; start it with --open; measures and state stay with the machine itself
http-host-not-allowed = this hub isn't known by this name; if it is to be: trappe server --allow-host NAME
http-origin-not-allowed = pages of this origin may not talk to this hub; if they must: trappe server --allow-origin ORIGIN
http-not-found = there is nothing here; see /connect
http-method-not-allowed = this method means nothing here
http-content-type = "X-Trappe: 1" is needed, or the type application/json or application/octet-stream: a form of another page must not be able to speak here
http-too-slow = the request didn't come in time
http-not-here = this address doesn't speak that (trappe server --only)
http-too-many-watchers = too many views of the hub are open at once; close one, then try again
http-upgrade-required = WebSocket is spoken here, version 13
http-bad-upgrade = a request for WebSocket has no body, and its Sec-WebSocket-Key is sixteen bytes in base 64
http-bad-subprotocol = this hub's subprotocols: trappe.json.v1, trappe.text.v1, trappe.raw.v1; whoever asks for none gets JSON
http-bad-body = the body of the request is incomplete or badly cut
http-empty = an empty message says nothing; it isn't sent
http-idempotency-key = an Idempotency-Key has 255 bytes at most
http-idempotency-mismatch = something else was said under this Idempotency-Key; take a new one
http-bad-query = the query is badly encoded: % is followed by two hexadecimal digits, and all of it gives UTF-8
http-twice = the parameter { $key } is given twice
http-bad-limit = limit: a number from 1 on is expected
http-bad-words = q: words to search for are expected, { $limit } characters at most
http-idempotency-full = too many Idempotency-Keys at once; nothing is sent, try again in a moment
http-pressed = everyone in this room is behind; nothing is sent, try again in a moment
http-bad-last-event-id = Last-Event-ID is no position (EPOCH@SEQ)

## Ready-made clients (/connect)

connect-title = ready-made clients for this hub: { $address }, room { $room }
connect-each = each says what it is given as an argument, then what you type, and prints what arrives; no library to install
connect-what = { $address }, room { $room }: says what it is given or what you type, prints what arrives
connect-javascript = paste it into a browser's console, on this hub's page; or, with Node 22 or later: node client.js bonjour
connect-arduino = ESP32: put in the name and the password of your Wi-Fi, upload, then open the serial monitor (115200 baud, “New Line”)
connect-board = to the board, { $host } is itself: put in this machine's address on your network, and start the hub with --open
connect-wifi = name of the Wi-Fi
connect-password = its password

## The command line

cli-port-used = port { $port } is taken by another program; stop it, or choose another port: --port 0 takes a free one
cli-port-used-by = port { $port } is taken by { $who }; stop it, or choose another port: --port 0 takes a free one
cli-port-denied = port { $port } is not permitted: those below 1024 are the administrator's; choose a higher one, such as --port 5566
cli-address-unknown = can't listen on { $address }, port { $port }: it isn't an address of this machine; without --host, all of them are used
cli-socket-used = { $path }: a server answers on this socket already; stop it, or choose another path: --listen unix:PATH
cli-socket-link = { $path } is a symbolic link, and isn't followed; give the path that it leads to, or remove it
cli-socket-folder = { $path } is a folder; name a socket inside it, such as { $path }/trappe.sock
cli-socket-file = { $path } is a file, not a socket; it is left as it is; choose another path, or remove it
cli-socket-long = { $path }: the path of a socket has { $limit } bytes at most; choose a shorter one, for instance relative to the current folder
cli-socket-nowhere = { $path }: the folder of this socket doesn't exist; make it first (mkdir -p)
cli-socket-denied = { $path }: this user isn't permitted this socket; choose a folder that it can read and write (ls -ld shows it)
cli-data-parent = { $path }: the folder that it is to be in doesn't exist; make it first (mkdir -p)
cli-data-not-folder = { $path } is no folder; it is left as it is; give --data a folder, or a name that doesn't exist yet
cli-data-link = { $path } is a symbolic link, and isn't followed; give the path that it leads to
cli-data-owner = { $path } belongs to another user; run the server as that one, or choose another folder
cli-data-denied = { $path }: this user can't write there; choose a folder that it can read and write (ls -ld shows it)
cli-data-used = { $path } is used by another server (process { $pid }); stop it, or choose another folder
cli-data-foreign = { $path } is no database of trappe; it is left as it is; move it away, or choose another folder
cli-data-newer = { $path } comes from a newer version of trappe; it is left as it is; run that version, or choose another folder
cli-data-other = { $path }: { $error }
cli-refused = { $address }: connection refused, no server listens there
cli-timeout = { $address }: no answer; check the address, the network, the firewall
cli-unresolved = { $host }: no machine is known by this name; check it
cli-lost = connection lost; your last words may not have arrived
cli-hint-server = { $port ->
    [5566] start one first: trappe server
   *[other] start one first: trappe server --port { $port }
    }
cli-hint-socket = start one first: { $command }
cli-udp-no-answer = { $address }: no answer over UDP; check the address, the network, the firewall; a hub that isn't open to other machines (--open) doesn't answer them
cli-udp-unanswered = { $command }: no answer; the hub may have done it all the same
cli-udp-too-long = > { $limit } bytes: no datagram holds as much; this is not sent: { $beginning }…

## trappe tap

tap-open = { $name }: { $transport } { $address }; in { $rooms }; { $at } B before
tap-no-room = no room
tap-read = { $name }: read { $bytes } B at { $at }
tap-message = { $name }: message { $at }+{ $len }, ended by { $end ->
    [newline] a newline
    [pause] a pause
    [eof] the end of the stream
    [read] a read (chunk)
    [length] its length (len32)
    [nul] a NUL byte
    [text] its frame (text)
    [binary] its frame (binary)
    [datagram] its datagram
   *[other] { $end }
    }
tap-refused = { $name }: message { $at }+{ $len } refused: { $why ->
    [too-long] too long
    [unfinished] never finished
   *[other] { $why }
    }
tap-decoding = { $decoding ->
    [latin-1] looks like Latin-1
    [windows-1252] looks like Windows-1252
    [damaged] UTF-8, damaged or cut
    [binary] no text
   *[other] encoding: { $decoding }
    }
tap-cuts = { $reads } reads, cut at { $cuts }
tap-masked = each * hides what is secret or private
tap-shortened = … and { $bytes } B more
tap-write = { $name }: wrote { $bytes } B
tap-blocked = its socket takes no more
tap-gap = { $name }: misses { $room } { $from }..{ $to }, since it reads too slowly
tap-close = { $name } has left
tap-lost = … { $count ->
    [one] { $count } event
   *[other] { $count } events
    } left out here: they came faster than they were shown
tap-nobody = { $name } is neither a member nor a room; /who and /rooms list them
tap-stranger = { $address }: what answers there is no trappe hub, or has no /tap; check the address and the port
tap-silent = { $address }: connected, but no answer within { $seconds } s; is it a trappe hub?
tap-ended = the hub tells no more: it stops, or the connection is closed
tap-lost-hub = connection lost: the hub gives no sign of life any more

## /help

help-intro = write, the room reads you; a line that begins with / is a command (// says it as it is); /help COMMAND tells more
help-also = also: { $alias }
help-nick = takes a name
help-join = goes to a room, made on demand; POS: goes on after that position
help-leave = goes back to the lobby
help-msg = writes to one member only, wherever they are
help-who = tells who is here
help-rooms = lists the rooms
help-history = gives the last messages again (10 without a number)
help-search = gives the last messages again that have all of these words (256 characters at most), whatever their accents
help-resume = gives all that follows a position again
help-set = gives KEY a value in the room's state, or takes it away if nothing follows the space; V, if there is one, has to grow
help-get = gives the value of KEY; without KEY: all of the room's, then each change
help-udp = gives a key to be used once: datagrams of the address that sends it are yours
help-format = chooses what you receive: text for eyes, raw or json for programs
help-framing = chooses where a message ends: auto, line, chunk, len32, nul
help-lang = chooses the language of the sentences
help-echo = makes your own messages come back, or not
help-ack = has each message acknowledged, or not
help-quiet = silences arrivals and departures, or not
help-me = tells what you are doing, as in chats
help-ping = asks the server for a pong
help-why = tells a connection's state, what it missed and why
help-help = gives this help
help-quit = leaves, with a last word if you like

## trappe history

history-cli-no-folder = { $path }: there is no such folder; give --data the one in which a server keeps its history
history-cli-no-history = { $path }: no history is kept there yet; trappe server --data begins one
history-cli-owner = { $path } belongs to another user; run this as that one, else its server can't use what you leave there
history-cli-used = { $path } is used by process { $pid }; stop it first; list, show, search, export and check work beside it
history-cli-no-room = { $room }: there is no such room in this history; trappe history list shows those that are
history-cli-other-life = { $position } is no position of { $room }; positions there begin with { $epoch }@ and end at { $last }
history-cli-header = room messages bytes oldest position newest position gaps
history-cli-no-rooms = nothing was said yet
history-cli-unindexed = { $count ->
    [one] { $count } message isn't in the index yet, and wasn't searched
   *[other] { $count } messages aren't in the index yet, and weren't searched
    }; a server that uses this history puts them there
history-cli-more = older messages have these words too; --limit gives more
history-cli-imported = { $messages ->
    [one] { $messages } message imported
   *[other] { $messages } messages imported
    }, { $rooms ->
    [one] { $rooms } room
   *[other] { $rooms } rooms
    }
history-cli-line = line { $line }: { $why }; nothing was imported
history-cli-line-too-long = longer than any message may be
history-cli-line-not-json = this isn't JSON ({ $error })
history-cli-line-not-object = this is no JSON object
history-cli-line-not-export = an export begins with one line that says so ("trappe":"history"), and has no second one
history-cli-line-newer = the export is of a newer version ({ $version }); use that version of trappe
history-cli-line-field = the field { $field } is missing, or has a value that it can't have
history-cli-line-unknown = the field { $field } is unknown
history-cli-line-other-room = the lines of a room follow the one that begins it, with its epoch
history-cli-line-twice = this room was there before
history-cli-line-other-life = this history has the room already, in another life (epoch); import into another folder
history-cli-line-clash = this history has the room already, and goes on with number { $next }, not { $from }; import into another folder, or export with --after
history-cli-line-order = number { $expected } was to come next, not { $found }; what is left out is told by a line with "gap"
history-cli-line-unfinished = the room ends too early: number { $expected } was to come next
history-cli-line-rooms = the first line says { $said ->
    [one] { $said } room
   *[other] { $said } rooms
    }, and there { $found ->
    [one] is { $found }
   *[other] are { $found }
    }
history-cli-line-too-many-rooms = more than { $limit } rooms
history-cli-read-failed = { $path }: { $error }
history-cli-sound = { $path } is sound: { $rooms ->
    [one] { $rooms } room
   *[other] { $rooms } rooms
    }, { $messages ->
    [one] { $messages } message
   *[other] { $messages } messages
    }
history-cli-damaged = { $path } is damaged: { $count ->
    [one] { $count } thing isn't as it should be
   *[other] { $count } things aren't as they should be
    }; { $messages ->
    [one] { $messages } message is sound
   *[other] { $messages } messages are sound
    }; trappe history export saves what is, trappe history import makes a new file of it
history-cli-and-more = … and { $count } more
history-cli-indexing = { $count ->
    [one] { $count } message isn't in the index for searching yet: that is no damage
   *[other] { $count } messages aren't in the index for searching yet: that is no damage
    }
history-cli-bad-structure = the file's structure: { $text }
history-cli-bad-cut = the file is cut short: { $bytes } bytes of { $wanted }
history-cli-bad-unreadable = table { $table }: part of it can't be read ({ $error })
history-cli-bad-changed = { $room } { $from }..{ $to }: not as it was stored; nobody is given it
history-cli-bad-no-room = room { $number } doesn't exist, and has { $messages ->
    [one] { $messages } message
   *[other] { $messages } messages
    }
history-cli-bad-room = room { $number }, "{ $name }": nobody can enter it; its name, its key or its epoch is wrong
history-cli-bad-reused = { $room }: the next number is { $next }, but number { $last } was given already
history-cli-bad-counted = { $room }: { $messages } messages and { $bytes } bytes are counted, but there are { $found-messages } and { $found-bytes }; --keep takes away too much or too little
history-cli-bad-hole = { $room } { $from }..{ $to }: this gap can't be one
history-cli-bad-full-hole = { $room } { $from }..{ $to }: told as a gap, but { $messages ->
    [one] { $messages } message is
   *[other] { $messages } messages are
    } there
history-cli-bad-missing = { $room } { $from }..{ $to }: gone, and no gap tells why
history-cli-bad-journal = piece { $number } of the journal: not as it was stored; nobody is given it
history-cli-bad-sent = { $count ->
    [one] { $count } message's own id is
   *[other] { $count } messages' own ids are
    } kept for a session that isn't there
history-cli-bad-index = the index for searching: { $missing ->
    [one] { $missing } message is
   *[other] { $missing } messages are
    } missing, { $extra ->
    [one] { $extra } entry has
   *[other] { $extra } entries have
    } no message
history-cli-pruned = { $messages ->
    [0] no message was too old or too much
    [one] { $messages } message taken away
   *[other] { $messages } messages taken away
    }; history.db has { $bytes } bytes, { $before } before
