# Every sentence of the hub's page in English. page-fr.ftl has the same ids, with the same variables; tests hold that.
# The page gets this as an ES module, without the prefix of the ids.

## The top of the page

page-skip = skip to writing a message
page-open = connected
page-connecting = connecting to the hub…
page-not-open = not connected
page-views = views
page-tab-talk = Talk
page-tab-places = Rooms
page-tab-hub = The hub
page-panel = The hub, live
page-name-is = your name:
page-name-change = change your name
page-name-label = your name, 32 characters at most
page-name-take = Take this name
page-cancel = Cancel

## What is wrong with the connection

page-why-lost = The connection to the hub is lost. What you write waits here for it.
page-why-never = The hub doesn't answer: it is stopped, full, or refuses this page.
page-why-shutdown = The hub is stopping. All that it had accepted is delivered.
page-why-slow = The hub closed: this page read too slowly.
page-next-try = Next try in { $seconds } s.
page-superseded = You go on in another tab, under the same name.
page-quit = You have left the hub.
page-now = Try now
page-take-back = Take it back here
page-come-back = Come back

## Where one can be

page-places = rooms and members
page-rooms = Rooms
page-rooms-other = Other rooms
page-directs = Private messages
page-here = Who is here
page-more = … and { $count } more
page-you = you
page-write-to = write to { $name } only
page-members = { $count ->
    [one] { $count } member
   *[other] { $count } members
    }
page-unread = { $count ->
    [one] { $count } unread message
   *[other] { $count } unread messages
    }
page-join = Enter
page-join-label = name of the room to enter; it is made if there is none
page-join-hint = another room

## A conversation

page-nowhere = You are in no room. Enter one of them, or make one.
page-direct-only = the two of you only; the hub keeps nothing of it
page-leave = Leave
page-close = Close
page-see-wire = See its wire
page-log = messages of { $name }
page-say-room = Write in { $name }
page-say-direct = Write to { $name } only
page-send = Send
page-loading = reading the history…
page-older = Show earlier ones
page-below = { $count ->
    [0] To the newest
    [one] { $count } new message
   *[other] { $count } new messages
    }
page-passed = older messages that this page no longer keeps: { $count }
page-empty-room = Nothing has been said here yet. Write: everyone in the room reads you.
page-empty-nc = A terminal is enough to answer:
page-empty-direct = What you write here, only { $name } gets.
page-fresh = new
page-life = the hub was restarted, or the room had emptied: numbers begin at 1 again
page-unfold = Show all of it ({ $count } characters)
page-bytes-said = bytes, not text ({ $size }):
page-pending = not confirmed yet
page-unconfirmed = Not confirmed: the hub was restarted before it answered.
page-too-long-hub = Too long for this hub, which didn't take it.
page-again = Send again
page-joined = { $name } has arrived
page-left = { $name } has left
page-left-saying = { $name } has left: { $text }
page-renamed = { $old } is now called { $name }
page-renamed-own = you are now called { $name }
page-same-name = this is another connection than before, perhaps another person
page-gap-slow = { $count ->
    [one] { $count } message missed: read too slowly
   *[other] { $count } messages missed: read too slowly
    }
page-gap-forgotten = { $count ->
    [0] messages are missing here: the hub no longer keeps them
    [one] { $count } message is missing here: the hub no longer keeps it
   *[other] { $count } messages are missing here: the hub no longer keeps them
    }

## What the composer can't do

page-no-command = /{ $word } would change what the hub writes to this page, which would understand nothing any more. Nothing is sent; nc can use it.
page-not-now = The hub isn't there. The message stays here; send it when the hub is back.
page-too-long = Too long: { $bytes } bytes, { $limit } at most. Send it in parts.
page-too-many = { $count } messages are waiting to be confirmed. Wait for the hub to answer.

## The live hub

page-live-local = The hub is shown live on its own machine only.
page-live-local-how = Open this page over there, by localhost, or bring its port here:
page-live-full = All places for watching the hub are taken. Close one in another tab.
page-live-lost = The live view was interrupted; it comes back by itself.
page-live-connecting = reading the state of the hub…
page-bytes-in = Received
page-bytes-out = Sent
page-missed = Missed
page-refused = Refused
page-messages = Messages a second
page-deliveries = Deliveries a second
page-chart = { $what }, over two minutes: { $now } now, { $most } at most
page-most = over 2 min, at most { $most }
page-by-transport = Members by transport:
page-col-room = room
page-col-members = members
page-messages-all = messages
page-col-rate = a second
page-members-grid = members of the hub
page-filter = filter
page-col-name = name
page-col-lag = lag
page-col-in = received/s
page-col-out = sent/s
page-col-transport = by
page-col-address = address
page-slow = slow
page-none-found = No member matches this filter.
page-grid-hint = A row opens its member's wire (arrows, Enter); the title of a column sorts.

## The wire of a member

page-wire-of = The wire of { $name }
page-wire-hint = What passes from now on, as the hub reads and writes it.
page-wire-gone = This member is no longer here.
page-watch-again = Watch for it again
page-pause = Pause
page-continue = Go on
page-copy = Copy
page-copied = Copied, as text.
page-not-copied = The browser didn't allow the copy.
page-frozen = Paused; events since: { $count }
page-wire-passed = older events that are no longer here: { $count }
page-wire-lost = events lost, page too slow: { $count }
page-wire-pending = bytes read that nothing has ended yet: { $count } (reads: { $reads })
page-wire-open = { $name }, { $transport } { $address }; bytes sent so far: { $at }
page-wire-close = end of the connection
page-wire-write = written: { $len } bytes, a reply or a notice
page-wire-write-room = written: { $len } bytes, of { $room } the messages { $from } to { $to }
page-blocked = held: this member doesn't read fast enough
page-dump = bytes and characters of the message
page-sizes = { $size } bytes, from byte { $at } on
page-read-row = read { $n }
page-reads = reads ({ $count }):
page-read-first = { $len } bytes
page-read-after = { $len } bytes { $after } later
page-bytes-all = Show all { $count } bytes
page-decoding = not correct UTF-8; read as { $decoding }
page-shortened = the first { $count } bytes only
page-masked = what is private is replaced by *
page-end-newline = A \n ended it.
page-end-pause = A silence ended it: this client has never sent a \n yet.
page-end-eof = The end of the stream ended it: this client will send nothing more.
page-end-read = The read ended it: in chunk framing each read is a message.
page-end-length = Its length, four bytes before it, ended it.
page-end-nul = A NUL byte ended it.
page-end-text = The WebSocket frame ended it: one frame, one message.
page-end-binary = The WebSocket frame ended it; in a binary frame nothing is a command.
page-end-datagram = A datagram is a message.
page-end-too-long = Refused: too long for this hub; discarded up to its end.
page-end-unfinished = Dropped: its end never came.
