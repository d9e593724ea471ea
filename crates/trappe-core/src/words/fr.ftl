# Every sentence that trappe says in French. en.ftl has the same ids, with the same variables; tests hold that.
# Typography: a plain space before ; : ! ? (the specification's sentences stand so, word for word); "vous".
# A text that a client chose is escaped before it comes in here.

## The server's console

server-started = Le serveur est démarré !
server-where = écoute sur { $addresses }
server-where-udp = écoute sur { $addresses } (TCP et UDP)
server-who-loopback = seule cette machine peut se connecter ; --open ouvre à toutes
server-who-open = toute machine qui atteint ce port peut se connecter (--open)
server-data = historique : { $path } ({ $count ->
    [one] { $count } message
   *[other] { $count } messages
    })
server-try = à essayer : { $command }
server-try-page = à essayer : { $command }, ou { $page } dans un navigateur
store-new = historique : { $path } est nouveau ; ce qui est dit y est gardé à partir de maintenant
store-was-empty = historique : { $path } était vide ; il commence maintenant
store-unclean = historique : le dernier arrêt n'était pas propre ; { $rooms ->
    [0] aucun salon n'a de numéros inemployés
    [one] { $rooms } salon a des numéros inemployés, annoncés à qui les demande
   *[other] { $rooms } salons ont des numéros inemployés, annoncés à qui les demande
    }
store-new-epoch = historique : les salons commencent une nouvelle vie, { $reason ->
    [starts] car ce fichier n'est pas celui du dernier démarrage (une sauvegarde remise en place ?)
    [copied] car ce fichier a été copié ou remplacé
    [no-wal] car le journal du dernier démarrage (-wal) n'est plus là
    [short] car le fichier est plus court qu'il ne devrait
    [salvaged] car le fichier était abîmé
    [no-life] car le fichier « life » qui l'accompagne n'est plus là
   *[other] car on ne sait pas ce qui a suivi
    } ; les positions d'avant ne valent plus
store-salvaged = historique : le fichier était abîmé ; { $kept ->
    [one] { $kept } message sauvé
   *[other] { $kept } messages sauvés
    }, { $lost ->
    [0] aucun perdu
    [one] { $lost } perdu
   *[other] { $lost } perdus
    } ; l'ancien fichier reste : { $path }
disk-full = le disque est plein : rien n'est plus gardé ni confirmé, tout est encore livré ; faites de la place, le reste se fait tout seul
disk-failed = le disque refuse d'écrire ({ $error }) : rien n'est plus gardé ni confirmé, tout est encore livré ; de nouveaux essais suivent
store-damaged = une partie de l'historique est abîmée ({ $error }) ; le prochain démarrage garde ce qui est sain ; d'ici là, rien d'ancien n'est retiré, et la recherche peut trouver moins
disk-back = le disque écrit de nouveau ; { $count ->
    [0] il ne manque aucun message dans l'historique
    [one] { $count } message livré entre-temps n'est pas dans l'historique
   *[other] { $count } messages livrés entre-temps ne sont pas dans l'historique
    }
client-arrives = Un client vient de se connecter...
server-stopping = arrêt : les derniers messages sont livrés ; un second signal arrête tout de suite
lines-lost = … { $count ->
    [one] { $count } ligne omise
   *[other] { $count } lignes omises
    } ici : la console ne suivait plus ; les membres ont tout reçu
refused-remote-log = { $address } refusé : ce hub ne parle qu'à sa propre machine ; --open l'ouvre à toutes
tls-refused-log = { $address } parle TLS ; ce hub ne le parle pas encore, et a répondu par une alerte TLS : connectez-vous sans TLS
full-descriptors-log = plus de descripteurs de fichiers (limite : { $limit }) : les nouveaux clients sont refusés ; relevez-la avec ulimit -n

## The client

client-connected = Client connecté !
client-away = connexion perdue ; vos derniers mots ne sont peut-être pas arrivés ; nouveaux essais jusqu'au retour du serveur
client-back = de nouveau connecté
client-waits = { $address } ne répond pas encore ; nouveaux essais
client-gave-up = le serveur n'est pas revenu ; abandon. --retry forever l'attend sans fin
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
goodbye-bare = au revoir
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
search-begin = recherche « { $words } » : { $count ->
    [one] { $count } message
   *[other] { $count } messages
    }
search-more = recherche « { $words } » : { $count ->
    [one] le dernier message
   *[other] les { $count } derniers messages
    } ; de plus anciens ont aussi ces mots
search-none = recherche « { $words } » : aucun message
position = position { $position }
live = live
gap = gap { $from }..{ $to } ({ $count ->
    [one] { $count } message
   *[other] { $count } messages
    })
gap-mtu = gap { $from }..{ $from } (1 message, plus long qu'un datagramme de { $limit } octets)
gap-unused = gap { $from }..{ $to } (numéros réservés, puis jamais donnés : il n'y a pas de message là)
gap-not-stored = gap { $from }..{ $to } ({ $count ->
    [one] { $count } message que le disque n'a pas gardé
   *[other] { $count } messages que le disque n'a pas gardés
    })
gap-damaged = gap { $from }..{ $to } ({ $count ->
    [one] { $count } message abîmé sur le disque
   *[other] { $count } messages abîmés sur le disque
    })
following = état de { $room } : { $count ->
    [one] { $count } clé
   *[other] { $count } clés
    }
udp-key = d'ici { $seconds } s, envoyez à ce port un datagramme UDP qui commence par { $key } ; ce que son adresse dira sera dit par vous
udp-already = vous êtes en UDP : chacun de vos datagrammes est déjà de vous
no-echo = en UDP, /echo ne va qu'avec /format json ; /ack on dit ce qui est arrivé
udp-busy = trop de clés attendent leur datagramme ; réessayez dans une minute
no-udp = ce serveur ne parle pas UDP (--only)
udp-attached = ce que dit { $address } par datagrammes est désormais dit par vous
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
why-watched = { $count ->
    [one] { $count } personne regarde ce qui passe sur cette connexion
   *[other] { $count } personnes regardent ce qui passe sur cette connexion
    }
why-cause-udp = plus longs qu'un datagramme, ou remplacés par de plus récents
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
bad-key-empty = une clé ne peut pas être vide
bad-key-long = une clé a { $limit } caractères au plus
bad-key-character = « { $character } » ne va pas dans une clé ; lettres, chiffres, - _ . : / seulement
bad-key-marks = dans une clé, un signe combiné se pose sur une lettre, et une lettre en porte { $limit } au plus
bad-version = « { $given } » n'est pas une version ; attendu : KEY#V, V un entier de 0 à 2^32 − 1
no-such-key = cette clé n'a pas de valeur ici : { $key } ; /get donne toutes celles qui en ont, /set lui en donne une
stale-version = { $key } : vous avez déjà donné la version { $version } ou une plus récente ; rien n'est changé
state-full = il n'y a plus de place pour l'état de { $room } ; rien n'est changé ; raccourcissez des valeurs, ou videz-en
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
mtu = { $name } reçoit par datagrammes, et ce message ne tient pas dans un seul ; message non remis, raccourcissez-le
mtu-state = la valeur de { $key } a { $bytes } octets, un datagramme { $limit } au plus ; /get { $key } la donne en TCP
mtu-reply = cette réponse a { $bytes } octets, un datagramme { $limit } au plus ; demandez-en moins, ou connectez-vous en TCP
full-members = le hub est plein : il ne peut tenir plus de membres ; réessayez plus tard
full-rooms = le hub est plein : il ne peut tenir plus de salons ; rejoignez-en un, /rooms les liste
full-descriptors = le hub est plein : le système ne lui donne plus de connexions ; réessayez dans un instant
remote-refused = ce hub ne parle qu'à sa propre machine tant qu'on ne lui dit rien d'autre ; lancez-le avec --open, ou passez par ssh -L PORT:localhost:PORT HOST
slow-closed = connexion fermée : lecture trop lente, le hub ne pouvait garder davantage ; lisez plus vite, ou /format text, qui dit ce qui manque et continue
stalled-closed = connexion fermée : rien n'a été lu depuis trop longtemps
silent-closed = rien reçu de vous depuis 60 s : vous n'êtes plus membre ; /join ROOM vous fait revenir, et un datagramme vide de temps en temps suffit à rester
shutting-down = le serveur s'arrête ; reconnectez-vous plus tard

one-room = le format JSON permet d'être dans plusieurs salons, les autres non ; vous êtes dans { $count } ; n'en gardez qu'un
framing-fixed = sur WebSocket, chaque message est déjà une trame ; /framing n'y a pas de sens
framing-udp = en UDP, chaque datagramme est déjà un message ; /framing n'y a pas de sens
not-an-op = attendu : un objet JSON avec "op", comme send avec "text", ou une commande comme /help
bad-json = ce n'est pas du JSON, à partir de l'octet { $at } ; un objet par ligne ou par trame
not-an-object = c'est du JSON, mais pas un objet ; chaque ligne ou trame est un objet, avec op
duplicate-key = le champ « { $key } » est donné deux fois
too-many-fields = un objet a { $limit } champs au plus
too-deep = objets et listes s'emboîtent sur { $limit } niveaux au plus
unknown-op = op inconnue : « { $op } » ; rien n'est fait
op-not-yet = cette op n'existe pas encore dans cette version
missing-field = il manque le champ « { $field } »
bad-field = le champ « { $field } » ne convient pas ; attendu : { $wanted ->
    [text] une chaîne
    [line] une chaîne sans saut de ligne
    [something] une chaîne qui n'est pas vide
    [words] des mots à chercher, { $limit } caractères au plus
    [base64] des octets en base 64 (alphabet standard)
    [one-body] text ou b64, pas les deux
    [switch] true ou false
    [number] un entier de 0 à 2^53 − 1
    [count] un entier de 1 à 2^53 − 1
    [position] "EPOCH@SEQ", "SEQ" ou un entier
    [version] un entier de 0 à 2^32 − 1
    [rooms] une liste de { $limit } salons au plus, chacun un objet avec room
    [format] text, raw ou json
   *[lang] fr ou en
    }
which-room = dites de quel salon il s'agit, avec "room" ; vous êtes dans { $count }
nowhere = vous n'êtes dans aucun salon ; entrez d'abord dans l'un d'eux, avec join
not-in-room = vous n'êtes pas dans { $room } ; entrez-y d'abord, avec join
too-many-rooms = { $limit } salons à la fois au plus ; quittez-en un d'abord
stale-id = l'id { $id } est trop ancien : on ne sait plus s'il a été dit, et il ne l'est pas une seconde fois ; continuez par un id plus grand
not-stored = { $position } : message remis, mais pas gardé : le disque du hub est plein ou n'écrit plus ; redites-le s'il doit rester
no-search = ce hub ne garde pas d'historique sur disque, et ne peut donc rien y chercher ; pour qu'il en garde un : trappe server --data DOSSIER
gone = cette session a été reprise ailleurs ; rien n'est fait
superseded = cette session continue sur une autre connexion
no-lines = cette adresse ne parle que { $spoken }

## Other protocols on this port

not-http = cette requête HTTP est venue trop tard ou trop lentement, elle passait pour autre chose ; recommencez sur une nouvelle connexion, d'un seul trait (port { $port })
not-http2 = ce port est un hub de sockets trappe et ne parle pas HTTP/2 ; essayez : nc HOST { $port }
not-ssh = ce port est un hub de sockets trappe, pas un serveur SSH ; essayez : nc HOST { $port }
not-mqtt = ce port est un hub de sockets trappe, pas un serveur MQTT ; essayez : nc HOST { $port }

## HTTP

http-bad-request = cette requête HTTP n'est pas correcte, elle n'est pas traitée
http-bad-room = ce nom ne peut être celui d'un salon ; lettres, chiffres, - _ . seulement
http-local-only = ce hub ne répond qu'à sa propre machine, sans intermédiaire, tant qu'on ne lui dit rien d'autre ; lancez-le avec --open ; mesures et état restent à la machine elle-même
http-host-not-allowed = ce hub n'est pas connu sous ce nom ; s'il doit l'être : trappe server --allow-host NOM
http-origin-not-allowed = les pages de cette origine ne peuvent pas parler à ce hub ; s'il le faut : trappe server --allow-origin ORIGINE
http-not-found = il n'y a rien ici ; voyez /connect
http-method-not-allowed = cette méthode n'a pas de sens ici
http-content-type = il faut « X-Trappe: 1 », ou le type application/json ou application/octet-stream : un formulaire d'une autre page ne doit pas pouvoir parler ici
http-too-slow = la requête n'est pas arrivée à temps
http-not-here = cette adresse ne parle pas cela (trappe server --only)
http-too-many-watchers = trop de vues du hub sont ouvertes en même temps ; fermez-en une, puis réessayez
http-upgrade-required = ici on parle WebSocket, version 13
http-bad-upgrade = une demande WebSocket n'a pas de corps, et sa Sec-WebSocket-Key est seize octets en base 64
http-bad-subprotocol = sous-protocoles de ce hub : trappe.json.v1, trappe.text.v1, trappe.raw.v1 ; sans en demander, c'est JSON
http-bad-body = le corps de la requête est incomplet ou mal découpé
http-empty = un message vide ne dit rien ; il n'est pas envoyé
http-idempotency-key = une clé Idempotency-Key a 255 octets au plus
http-idempotency-mismatch = autre chose a été dit avec cette clé Idempotency-Key ; prenez-en une nouvelle
http-bad-query = la requête est mal codée : après % viennent deux chiffres hexadécimaux, et le tout est de l'UTF-8
http-twice = le paramètre { $key } est donné deux fois
http-bad-limit = limit : un nombre à partir de 1 est attendu
http-bad-words = q : des mots à chercher sont attendus, { $limit } caractères au plus
http-idempotency-full = trop de clés Idempotency-Key à la fois ; rien n'est envoyé, réessayez dans un instant
http-pressed = tout le monde dans ce salon est en retard ; rien n'est envoyé, réessayez dans un instant
http-bad-last-event-id = Last-Event-ID n'est pas une position (EPOCH@SEQ)

## Ready-made clients (/connect)

connect-title = clients prêts à l'emploi pour ce hub : { $address }, salon { $room }
connect-each = chacun dit ce qu'on lui donne en argument, puis ce qu'on tape, et affiche ce qui arrive ; aucune bibliothèque à installer
connect-what = { $address }, salon { $room } : dit ce qu'on lui donne ou ce qu'on tape, affiche ce qui arrive
connect-javascript = à coller dans la console d'un navigateur, sur la page de ce hub ; ou, avec Node 22 ou plus récent : node client.js bonjour
connect-arduino = ESP32 : mettez le nom et le mot de passe de votre Wi-Fi, téléversez, puis ouvrez le moniteur série (115200 bauds, « Nouvelle ligne »)
connect-board = pour la carte, { $host } est elle-même : mettez l'adresse de cette machine sur votre réseau, et démarrez le hub avec --open
connect-wifi = nom du Wi-Fi
connect-password = mot de passe

## The command line

cli-port-used = le port { $port } est déjà pris par un autre programme ; arrêtez-le, ou choisissez un autre port : --port 0 en prend un libre
cli-port-used-by = le port { $port } est déjà pris par { $who } ; arrêtez-le, ou choisissez un autre port : --port 0 en prend un libre
cli-port-denied = le port { $port } n'est pas permis : ceux au-dessous de 1024 sont réservés à l'administrateur ; choisissez-en un plus haut, par exemple --port 5566
cli-address-unknown = impossible d'écouter sur { $address }, port { $port } : cette adresse n'est pas de cette machine ; sans --host, toutes le sont
cli-socket-used = { $path } : un serveur répond déjà sur ce socket ; arrêtez-le, ou choisissez un autre chemin : --listen unix:CHEMIN
cli-socket-link = { $path } est un lien symbolique, que l'on ne suit pas ; donnez le chemin où il mène, ou supprimez-le
cli-socket-folder = { $path } est un dossier ; donnez un nom de socket dedans, par exemple { $path }/trappe.sock
cli-socket-file = { $path } est un fichier, pas un socket ; il reste tel quel ; choisissez un autre chemin, ou supprimez-le
cli-socket-long = { $path } : un chemin de socket a { $limit } octets au plus ; choisissez-en un plus court, par exemple relatif au dossier courant
cli-socket-nowhere = { $path } : le dossier de ce socket n'existe pas ; créez-le d'abord (mkdir -p)
cli-socket-denied = { $path } : ce socket n'est pas permis à cet utilisateur ; choisissez un dossier où il peut lire et écrire (ls -ld le montre)
cli-data-parent = { $path } : le dossier où il doit être n'existe pas ; créez-le d'abord (mkdir -p)
cli-data-not-folder = { $path } n'est pas un dossier ; il reste tel quel ; donnez à --data un dossier, ou un nom qui n'existe pas encore
cli-data-link = { $path } est un lien symbolique, que l'on ne suit pas ; donnez le chemin où il mène
cli-data-owner = { $path } est à un autre utilisateur ; lancez le serveur sous le nom de celui-ci, ou choisissez un autre dossier
cli-data-denied = { $path } : cet utilisateur ne peut pas y écrire ; choisissez un dossier où il peut lire et écrire (ls -ld le montre)
cli-data-used = { $path } sert déjà à un autre serveur (processus { $pid }) ; arrêtez-le, ou choisissez un autre dossier
cli-data-foreign = { $path } n'est pas une base de données de trappe ; il reste tel quel ; déplacez-le, ou choisissez un autre dossier
cli-data-newer = { $path } vient d'une version plus récente de trappe ; il reste tel quel ; lancez cette version, ou choisissez un autre dossier
cli-data-other = { $path } : { $error }
cli-refused = { $address } : connexion refusée, aucun serveur n'écoute là
cli-timeout = { $address } : pas de réponse ; vérifiez l'adresse, le réseau, le pare-feu
cli-unresolved = { $host } : aucune machine connue sous ce nom ; vérifiez-le
cli-lost = connexion perdue ; vos derniers mots ne sont peut-être pas arrivés
cli-hint-server = { $port ->
    [5566] lancez d'abord : trappe server
   *[other] lancez d'abord : trappe server --port { $port }
    }
cli-hint-socket = lancez d'abord : { $command }
cli-udp-no-answer = { $address } : sans réponse en UDP ; vérifiez l'adresse, le réseau, le pare-feu ; un hub qui n'est pas ouvert aux autres machines (--open) ne leur répond pas
cli-udp-unanswered = { $command } : sans réponse ; le hub l'a peut-être fait tout de même
cli-udp-too-long = > { $limit } octets : aucun datagramme n'en contient autant ; ceci n'est pas envoyé : { $beginning }…

## trappe tap

tap-open = { $name } : { $transport } { $address } ; dans { $rooms } ; { $at } o avant
tap-no-room = aucun salon
tap-read = { $name } : { $bytes } o lus à { $at }
tap-message = { $name } : message { $at }+{ $len }, fini par { $end ->
    [newline] une fin de ligne
    [pause] un silence
    [eof] la fin du flux
    [read] une lecture (chunk)
    [length] sa longueur (len32)
    [nul] un octet nul
    [text] sa trame (texte)
    [binary] sa trame (binaire)
    [datagram] son datagramme
   *[other] { $end }
    }
tap-refused = { $name } : message { $at }+{ $len } refusé : { $why ->
    [too-long] trop long
    [unfinished] jamais fini
   *[other] { $why }
    }
tap-decoding = { $decoding ->
    [latin-1] ressemble à du Latin-1
    [windows-1252] ressemble à du Windows-1252
    [damaged] UTF-8 abîmé ou coupé
    [binary] pas du texte
   *[other] codage : { $decoding }
    }
tap-cuts = { $reads } lectures, coupé à { $cuts }
tap-masked = les * cachent ce qui est secret ou privé
tap-shortened = … et { $bytes } o de plus
tap-write = { $name } : { $bytes } o écrits
tap-blocked = son socket n'en prend pas plus
tap-gap = { $name } : { $room } { $from }..{ $to } lui manquent : lecture trop lente
tap-close = { $name } vient de partir
tap-lost = … { $count ->
    [one] { $count } événement omis
   *[other] { $count } événements omis
    } ici : ils venaient plus vite qu'ils n'étaient montrés
tap-nobody = { $name } n'est ni un membre ni un salon ; /who et /rooms les listent
tap-stranger = { $address } : ce qui répond là n'est pas un hub trappe, ou n'a pas /tap ; vérifiez l'adresse et le port
tap-silent = { $address } : connecté, mais pas de réponse en { $seconds } s ; est-ce bien un hub trappe ?
tap-ended = le hub a fini de montrer : il s'arrête, ou la connexion est fermée
tap-lost-hub = connexion perdue : le hub ne donne plus signe de vie

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
help-search = redonne les derniers messages qui ont tous ces mots (256 caractères au plus), sans égard aux accents
help-resume = redonne tout ce qui suit une position
help-set = donne à KEY une valeur dans l'état du salon, ou la retire si rien ne suit l'espace ; V, s'il y en a un, doit augmenter
help-get = donne la valeur de KEY ; sans KEY : toutes celles du salon, puis chaque changement
help-udp = donne une clé à usage unique : les datagrammes de l'adresse qui l'envoie sont les vôtres
help-format = choisit ce que l'on reçoit : text pour les yeux, raw ou json pour les programmes
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

## trappe history

history-cli-no-folder = { $path } : ce dossier n'existe pas ; donnez à --data celui où un serveur garde son historique
history-cli-no-history = { $path } : aucun historique n'y est encore gardé ; trappe server --data en commence un
history-cli-owner = { $path } est à un autre utilisateur ; lancez ceci sous son nom, sinon son serveur ne pourra se servir de ce que vous y laissez
history-cli-used = { $path } est utilisé par le processus { $pid } ; arrêtez-le d'abord ; list, show, search, export et check marchent à côté de lui
history-cli-no-room = { $room } : ce salon n'est pas dans cet historique ; trappe history list montre ceux qui y sont
history-cli-other-life = { $position } n'est pas une position de { $room } ; elles y commencent par { $epoch }@ et finissent à { $last }
history-cli-header = salon messages octets premier position dernier position trous
history-cli-no-rooms = rien n'a encore été dit
history-cli-unindexed = { $count ->
    [one] { $count } message n'est pas encore dans l'index, et n'a pas été cherché
   *[other] { $count } messages ne sont pas encore dans l'index, et n'ont pas été cherchés
    } ; un serveur qui utilise cet historique les y met
history-cli-more = des messages plus anciens ont aussi ces mots ; --limit en donne davantage
history-cli-imported = { $messages ->
    [one] { $messages } message importé
   *[other] { $messages } messages importés
    }, { $rooms ->
    [one] { $rooms } salon
   *[other] { $rooms } salons
    }
history-cli-line = ligne { $line } : { $why } ; rien n'est importé
history-cli-line-too-long = plus longue qu'aucun message ne peut l'être
history-cli-line-not-json = ce n'est pas du JSON ({ $error })
history-cli-line-not-object = ce n'est pas un objet JSON
history-cli-line-not-export = un export commence par une ligne qui le dit ("trappe":"history"), et n'en a pas de seconde
history-cli-line-newer = l'export est d'une version plus récente ({ $version }) ; prenez cette version de trappe
history-cli-line-field = le champ { $field } manque, ou a une valeur qu'il ne peut avoir
history-cli-line-unknown = le champ { $field } est inconnu
history-cli-line-other-room = les lignes d'un salon suivent celle qui le commence, avec son epoch
history-cli-line-twice = ce salon est déjà venu plus haut
history-cli-line-other-life = cet historique a déjà ce salon, dans une autre vie (epoch) ; importez dans un autre dossier
history-cli-line-clash = cet historique a déjà ce salon, et le poursuit au numéro { $next }, non { $from } ; importez dans un autre dossier, ou exportez avec --after
history-cli-line-order = le numéro { $expected } devait suivre, non { $found } ; ce qui est omis se dit par une ligne avec "gap"
history-cli-line-unfinished = le salon finit trop tôt : le numéro { $expected } devait suivre
history-cli-line-rooms = la première ligne dit { $said ->
    [one] { $said } salon
   *[other] { $said } salons
    }, et il y en a { $found }
history-cli-line-too-many-rooms = plus de { $limit } salons
history-cli-read-failed = { $path } : { $error }
history-cli-sound = { $path } est sain : { $rooms ->
    [one] { $rooms } salon
   *[other] { $rooms } salons
    }, { $messages ->
    [one] { $messages } message
   *[other] { $messages } messages
    }
history-cli-damaged = { $path } est abîmé : { $count ->
    [one] { $count } chose n'est pas comme elle devrait être
   *[other] { $count } choses ne sont pas comme elles devraient être
    } ; { $messages ->
    [one] { $messages } message est sain
   *[other] { $messages } messages sont sains
    } ; trappe history export sauve ce qui l'est, trappe history import en fait un nouveau fichier
history-cli-and-more = … et { $count } de plus
history-cli-indexing = { $count ->
    [one] { $count } message n'est pas encore dans l'index de recherche : ce n'est pas un dommage
   *[other] { $count } messages ne sont pas encore dans l'index de recherche : ce n'est pas un dommage
    }
history-cli-bad-structure = la structure du fichier : { $text }
history-cli-bad-cut = le fichier est coupé : { $bytes } octets sur { $wanted }
history-cli-bad-unreadable = table { $table } : une partie ne peut être lue ({ $error })
history-cli-bad-changed = { $room } { $from }..{ $to } : pas tel qu'il fut gardé ; il n'est donné à personne
history-cli-bad-no-room = le salon { $number } n'existe pas, et a { $messages ->
    [one] { $messages } message
   *[other] { $messages } messages
    }
history-cli-bad-room = salon { $number }, « { $name } » : nul ne peut y entrer ; son nom, sa clé ou son epoch est faux
history-cli-bad-reused = { $room } : le prochain numéro est { $next }, mais le numéro { $last } fut déjà donné
history-cli-bad-counted = { $room } : { $messages } messages et { $bytes } octets sont comptés, mais il y en a { $found-messages } et { $found-bytes } ; --keep retire trop ou trop peu
history-cli-bad-hole = { $room } { $from }..{ $to } : ce trou n'en peut être un
history-cli-bad-full-hole = { $room } { $from }..{ $to } : dit être un trou, mais { $messages ->
    [one] { $messages } message y est
   *[other] { $messages } messages y sont
    }
history-cli-bad-missing = { $room } { $from }..{ $to } : disparu, et aucun trou ne dit pourquoi
history-cli-bad-journal = morceau { $number } du journal : il n'est pas tel qu'il a été enregistré ; personne ne le reçoit
history-cli-bad-sent = { $count ->
    [one] { $count } identifiant de message est gardé
   *[other] { $count } identifiants de messages sont gardés
    } pour une session qui n'existe pas
history-cli-bad-index = l'index de recherche : { $missing ->
    [one] { $missing } message manque
   *[other] { $missing } messages manquent
    }, { $extra ->
    [one] { $extra } entrée est
   *[other] { $extra } entrées sont
    } sans message
history-cli-pruned = { $messages ->
    [0] aucun message n'était trop vieux ou de trop
    [one] { $messages } message retiré
   *[other] { $messages } messages retirés
    } ; history.db a { $bytes } octets, { $before } avant
