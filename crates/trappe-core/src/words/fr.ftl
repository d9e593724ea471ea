# Every sentence that trappe says in French. en.ftl has the same ids, with the same variables; tests hold that.
# Typography: a plain space before ; : ! ? (the specification's sentences stand so, word for word); "vous".
# A text that a client chose is escaped before it comes in here.

## The server's console

server-started = Le serveur est démarré !
server-where = écoute sur { $addresses }
server-who-loopback = seule cette machine peut se connecter ; --open ouvre à toutes
server-who-open = toute machine qui atteint ce port peut se connecter (--open)
server-try = à essayer : nc localhost { $port }
client-arrives = Un client vient de se connecter...
server-stopping = arrêt : les derniers messages sont livrés ; un second signal arrête tout de suite
lines-lost = … { $count ->
    [one] { $count } ligne omise
   *[other] { $count } lignes omises
    } ici : la console ne suivait plus ; les membres ont tout reçu
refused-remote-log = { $address } refusé : ce hub ne parle qu'à sa propre machine ; --open l'ouvre à toutes
full-descriptors-log = plus de descripteurs de fichiers (limite : { $limit }) : les nouveaux clients sont refusés ; relevez-la avec ulimit -n

## The client

client-connected = Client connecté !
client-failed = Connexion au serveur échoué !
client-hello = Bonjour à toi, je suis le client ! :)

## Notices

welcome = vous êtes { $name }, dans { $room }, position { $position } ; /help dit ce qu'on peut faire
joined = { $name } vient d'arriver
left = { $name } vient de partir
left-saying = { $name } vient de partir : { $text }
renamed = { $old } s'appelle désormais { $new }
server-goodbye = le serveur s'arrête ; tout ce qu'il a accepté est livré ; à bientôt

## Replies

you-are = vous êtes { $name }
now-in = vous êtes dans { $room }, { $count ->
    [one] { $count } membre
   *[other] { $count } membres
    }, position { $position }
goodbye = au revoir ; votre position : { $position }
who = { $count ->
    [one] { $count } membre
   *[other] { $count } membres
    } dans { $room } :
who-more = { $count ->
    [one] … et { $count } autre
   *[other] … et { $count } autres
    }
rooms = { $count ->
    [one] { $count } salon :
   *[other] { $count } salons :
    }
rooms-one = { $room }, { $count ->
    [one] { $count } membre
   *[other] { $count } membres
    }
history-begin = historique ({ $count })
history-end = fin
position = position { $position }
live = live
gap = gap { $from }..{ $to } ({ $count ->
    [one] { $count } message
   *[other] { $count } messages
    })
format-is = format : { $format }
framing-is = découpage : { $framing }
lang-is = langue : { $lang }
echo-on = vos messages vous reviennent
echo-off = vos messages ne vous reviennent plus
ack-on = chacun de vos messages sera confirmé (+ack)
ack-off = vos messages ne sont plus confirmés
quiet-on = plus d'annonces ; les messages continuent
quiet-off = les annonces sont de retour
pong = pong { $text }
pong-bare = pong

## What a sender is told once about its bytes

cut-by-pause = message coupé par un silence de 20 ms, faute de \n ; pour couper vous-même : finissez chaque message par \n, ou /framing chunk, nul ou len32
bytes-latin1 = ces octets ressemblent à du Latin-1 ; les autres voient \xNN à la place des accents ; envoyez de l'UTF-8
bytes-windows1252 = ces octets ressemblent à du Windows-1252 ; les autres voient \xNN à la place des accents ; envoyez de l'UTF-8
bytes-damaged = ces octets sont de l'UTF-8 abîmé ou coupé ; les autres voient \xNN là où il l'est
bytes-binary = ces octets ne sont pas du texte UTF-8 ; les autres en voient le début, en \xNN ; /format raw les reçoit tels quels

## /why

why-heading = état de { $name } :
why-one = { $name } : { $transport } { $address }, là depuis { $since } ; position { $position } ; { $lag } ; { $missed }
why-lag = { $messages ->
    [0] à jour
    [one] en retard de { $messages } message
   *[other] en retard de { $messages } messages
    }
why-never-missed = rien de manqué
why-missed = { $count ->
    [one] { $count } message manqué : { $cause }
   *[other] { $count } messages manqués : { $cause }
    }
why-refused = { $count ->
    [one] { $count } message refusé
   *[other] { $count } messages refusés
    }
why-cause-slow = lecture trop lente, le hub ne pouvait en garder davantage
why-cause-forgotten = la position demandée est plus ancienne que ce que le hub garde
why-cause-other-life = la position demandée est d'une autre vie du salon

## Durations

duration-seconds = { $seconds } s
duration-minutes = { $minutes } min { $seconds } s
duration-hours = { $hours } h { $minutes } min
duration-days = { $days } j { $hours } h

## Errors; the code stands before them

too-long = > { $limit } octets ; message refusé
unfinished = ligne jamais finie ; ses { $bytes } octets sont abandonnés ; finissez chaque ligne par \n
unfinished-pool = trop de lignes inachevées sur ce hub ; les { $bytes } octets de la vôtre, la plus longue, sont abandonnés ; finissez-la par \n
unknown-command = commande inconnue : /{ $word } ; rien n'est envoyé ; /help les liste, //{ $word } le dit tel quel
missing-argument = il manque quelque chose ; usage : { $usage }
bad-argument = « { $given } » ne convient pas ; usage : { $usage }
too-many-arguments = il y a quelque chose de trop ; usage : { $usage }
not-utf8 = commande illisible : ce n'est pas de l'UTF-8 ; rien n'est envoyé
not-yet = { $what } n'existe pas encore dans cette version
bad-position = « { $given } » n'est pas une position ; attendu : EPOCH@SEQ, ou SEQ seul
bad-name-empty = un nom ne peut pas être vide
bad-name-long = un nom a { $limit } caractères au plus
bad-name-character = « { $character } » ne va pas dans un nom ; lettres, chiffres, - _ . seulement
bad-name-marks = une lettre de ce nom porte trop de signes combinés
bad-name-start = un nom commence par une lettre, un chiffre, - _ ou ., pas par un signe qui se combine
bad-name-scripts = les lettres d'un nom sont d'un seul alphabet, ses chiffres d'une seule sorte
bad-name-reserved = ce nom est réservé ; choisissez-en un autre
name-taken = { $name } est déjà pris ; { $free } est libre : /nick { $free }
name-taken-bare = { $name } est déjà pris ; choisissez un autre nom
no-such-member = personne ne s'appelle { $name } ; /who dit qui est là
no-such-room = aucun salon ne s'appelle { $room } ; /rooms les liste, /join le crée
busy = { $name } ne peut rien recevoir pour le moment ; message non remis, réessayez plus tard
full-members = le hub est plein : il ne peut tenir plus de membres ; réessayez plus tard
full-rooms = le hub est plein : il ne peut tenir plus de salons ; rejoignez-en un, /rooms les liste
full-descriptors = le hub est plein : le système ne lui donne plus de connexions ; réessayez dans un instant
remote-refused = ce hub ne parle qu'à sa propre machine tant qu'on ne lui dit rien d'autre ; lancez-le avec --open, ou passez par ssh -L PORT:localhost:PORT HOST
slow-closed = connexion fermée : lecture trop lente, le hub ne pouvait garder davantage ; lisez plus vite, ou /format text, qui dit ce qui manque et continue
stalled-closed = connexion fermée : rien n'a été lu depuis trop longtemps
shutting-down = le serveur s'arrête ; reconnectez-vous plus tard

## Other protocols on this port

not-http = ce port est un hub de sockets trappe, pas encore un serveur web ; essayez : nc HOST { $port }
not-http2 = ce port est un hub de sockets trappe et ne parle pas HTTP/2 ; essayez : nc HOST { $port }
not-ssh = ce port est un hub de sockets trappe, pas un serveur SSH ; essayez : nc HOST { $port }
not-mqtt = ce port est un hub de sockets trappe, pas un serveur MQTT ; essayez : nc HOST { $port }

## The command line

cli-port-used = le port { $port } est déjà pris par un autre programme ; arrêtez-le, ou choisissez un autre port : --port 0 en prend un libre
cli-port-used-by = le port { $port } est déjà pris par { $who } ; arrêtez-le, ou choisissez un autre port : --port 0 en prend un libre
cli-port-denied = le port { $port } n'est pas permis : ceux au-dessous de 1024 sont réservés à l'administrateur ; choisissez-en un plus haut, par exemple --port 5566
cli-address-unknown = impossible d'écouter sur { $address }, port { $port } : cette adresse n'est pas de cette machine ; sans --host, toutes le sont
cli-refused = { $address } : connexion refusée, aucun serveur n'écoute là
cli-timeout = { $address } : pas de réponse ; vérifiez l'adresse, le réseau, le pare-feu
cli-unresolved = { $host } : aucune machine connue sous ce nom ; vérifiez-le
cli-lost = connexion perdue ; vos derniers mots ne sont peut-être pas arrivés
cli-hint-server = { $port ->
    [5566] lancez d'abord : trappe server
   *[other] lancez d'abord : trappe server --port { $port }
    }

## /help

help-intro = écrivez, le salon vous lit ; une ligne qui commence par / est une commande (// la dit telle quelle) ; /help COMMAND en dit plus
help-also = aussi : { $alias }
help-nick = prend un nom
help-join = va dans un salon, créé au besoin ; POS : reprend après cette position
help-leave = revient au lobby
help-msg = écrit à un seul membre, où qu'il soit
help-who = dit qui est là
help-rooms = liste les salons
help-history = redonne les derniers messages (10 sans nombre)
help-resume = redonne tout ce qui suit une position
help-format = choisit ce qu'on reçoit : text pour les yeux, raw pour les programmes
help-framing = choisit où un message finit : auto, line, chunk, len32, nul
help-lang = choisit la langue des phrases
help-echo = fait revenir ses propres messages, ou non
help-ack = fait confirmer chaque message, ou non
help-quiet = tait les arrivées et les départs, ou non
help-me = dit ce qu'on fait, comme dans les messageries
help-ping = demande au serveur un pong
help-why = dit l'état d'une connexion, ce qu'elle a manqué et pourquoi
help-help = donne cette aide
help-quit = part, avec un dernier mot si l'on veut
