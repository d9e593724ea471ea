# Every sentence of the hub's page in French. page-en.ftl has the same ids, with the same variables; tests hold that.
# Typography: a plain space before ; : ! ?; "vous". The page gets this as an ES module, without the prefix of the ids.

## The top of the page

page-skip = aller à la saisie d'un message
page-open = connecté
page-connecting = connexion au hub…
page-not-open = pas connecté
page-views = vues
page-tab-talk = Discussion
page-tab-places = Salons
page-tab-hub = Le hub
page-panel = Le hub en direct
page-name-is = votre nom :
page-name-change = changer de nom
page-name-label = votre nom, 32 caractères au plus
page-name-take = Prendre ce nom
page-cancel = Annuler

## What is wrong with the connection

page-why-lost = La connexion au hub est perdue. Ce que vous écrivez l'attend ici.
page-why-never = Le hub ne répond pas : il est arrêté, plein, ou refuse cette page.
page-why-shutdown = Le hub s'arrête. Tout ce qu'il avait accepté est livré.
page-why-slow = Le hub a fermé : cette page lisait trop lentement.
page-next-try = Nouvel essai dans { $seconds } s.
page-superseded = Vous continuez dans un autre onglet, sous le même nom.
page-quit = Vous êtes parti du hub.
page-now = Essayer maintenant
page-take-back = Reprendre ici
page-come-back = Revenir

## Where one can be

page-places = salons et membres
page-rooms = Salons
page-rooms-other = Autres salons
page-directs = Messages privés
page-here = Qui est là
page-more = … et { $count } de plus
page-you = vous
page-write-to = écrire à { $name } seulement
page-members = { $count ->
    [one] { $count } membre
   *[other] { $count } membres
    }
page-unread = { $count ->
    [one] { $count } message non lu
   *[other] { $count } messages non lus
    }
page-join = Entrer
page-join-label = nom du salon où entrer ; il est créé s'il n'existe pas
page-join-hint = un autre salon

## A conversation

page-nowhere = Vous n'êtes dans aucun salon. Entrez dans l'un d'eux, ou créez-en un.
page-direct-only = vous deux seulement ; rien n'est gardé par le hub
page-leave = Sortir
page-close = Fermer
page-see-wire = Voir son fil
page-log = messages de { $name }
page-say-room = Écrire dans { $name }
page-say-direct = Écrire à { $name } seulement
page-send = Envoyer
page-loading = lecture de l'historique…
page-older = Montrer les précédents
page-below = { $count ->
    [0] Aux plus récents
    [one] { $count } nouveau message
   *[other] { $count } nouveaux messages
    }
page-passed = messages plus anciens que cette page ne garde plus : { $count }
page-empty-room = Rien n'a encore été dit ici. Écrivez : tout le salon vous lit.
page-empty-nc = Un terminal suffit pour répondre :
page-empty-direct = Ce que vous écrivez ici, seul { $name } le reçoit.
page-fresh = nouveau
page-life = le hub a redémarré, ou le salon s'est vidé : numéros repris à 1
page-unfold = Tout montrer ({ $count } caractères)
page-bytes-said = des octets, pas du texte ({ $size }) :
page-pending = pas encore confirmé
page-unconfirmed = Non confirmé : le hub a redémarré avant de répondre.
page-too-long-hub = Trop long pour ce hub, il ne l'a pas pris.
page-again = Renvoyer
page-joined = { $name } vient d'arriver
page-left = { $name } vient de partir
page-left-saying = { $name } vient de partir : { $text }
page-renamed = { $old } s'appelle désormais { $name }
page-renamed-own = vous vous appelez désormais { $name }
page-same-name = ce n'est plus la même connexion, peut-être plus la même personne
page-gap-slow = { $count ->
    [one] { $count } message manqué : lecture trop lente
   *[other] { $count } messages manqués : lecture trop lente
    }
page-gap-forgotten = { $count ->
    [0] des messages manquent ici : le hub ne les garde plus
    [one] { $count } message manque ici : le hub ne le garde plus
   *[other] { $count } messages manquent ici : le hub ne les garde plus
    }

## What the composer can't do

page-no-command = /{ $word } changerait ce que le hub écrit à cette page, qui n'y comprendrait plus rien. Rien n'est envoyé ; nc peut s'en servir.
page-not-now = Le hub n'est pas là. Le message reste ici, envoyez-le à son retour.
page-too-long = Trop long : { $bytes } octets, { $limit } au plus. Envoyez-le en plusieurs fois.
page-too-many = { $count } messages attendent d'être confirmés. Attendez que le hub réponde.

## The live hub

page-live-local = Le direct du hub ne se voit que sur sa propre machine.
page-live-local-how = Ouvrez cette page là-bas, par localhost, ou amenez son port ici :
page-live-full = Toutes les places pour regarder le hub sont prises. Fermez-en une dans un autre onglet.
page-live-lost = Le direct s'est interrompu ; il reprend de lui-même.
page-live-connecting = lecture de l'état du hub…
page-bytes-in = Reçu
page-bytes-out = Envoyé
page-missed = Manqués
page-refused = Refusés
page-messages = Messages par seconde
page-deliveries = Remises par seconde
page-chart = { $what }, sur deux minutes : { $now } à présent, { $most } au plus
page-most = sur 2 min, au plus { $most }
page-by-transport = Membres par transport :
page-col-room = salon
page-col-members = membres
page-messages-all = messages
page-col-rate = par s
page-members-grid = membres du hub
page-filter = filtrer
page-col-name = nom
page-col-lag = retard
page-col-in = reçu/s
page-col-out = envoyé/s
page-col-transport = par
page-col-address = adresse
page-slow = lent
page-none-found = Aucun membre ne correspond à ce filtre.
page-grid-hint = Une ligne ouvre le fil de son membre (flèches, Entrée) ; un titre de colonne trie.

## The wire of a member

page-wire-of = Le fil de { $name }
page-wire-hint = Ce qui passe désormais, tel que le hub le lit et l'écrit.
page-wire-gone = Ce membre n'est plus là.
page-watch-again = Le guetter à nouveau
page-pause = Pause
page-continue = Continuer
page-copy = Copier
page-copied = Copié, en texte.
page-not-copied = Le navigateur n'a pas permis la copie.
page-frozen = En pause ; événements depuis : { $count }
page-wire-passed = événements plus anciens qui ne sont plus ici : { $count }
page-wire-lost = événements perdus, page trop lente : { $count }
page-wire-pending = octets lus que rien n'a encore finis : { $count } (lectures : { $reads })
page-wire-open = { $name }, { $transport } { $address } ; octets déjà envoyés : { $at }
page-wire-close = fin de la connexion
page-wire-write = écrit : { $len } octets, une réponse ou une annonce
page-wire-write-room = écrit : { $len } octets, de { $room } les messages { $from } à { $to }
page-blocked = retenu : ce membre ne lit pas assez vite
page-dump = octets et caractères du message
page-sizes = { $size } octets, à partir de l'octet { $at }
page-read-row = lecture { $n }
page-reads = lectures ({ $count }) :
page-read-first = { $len } octets
page-read-after = { $len } octets { $after } après
page-bytes-all = Montrer les { $count } octets
page-decoding = pas de l'UTF-8 correct ; lu comme { $decoding }
page-shortened = les { $count } premiers octets seulement
page-masked = ce qui est privé est remplacé par *
page-end-newline = Un \n l'a fini.
page-end-pause = Un silence l'a fini : ce client n'a encore jamais envoyé de \n.
page-end-eof = La fin du flux l'a fini : ce client n'enverra plus rien.
page-end-read = La lecture l'a fini : en découpage chunk, chaque lecture est un message.
page-end-length = Sa longueur, quatre octets avant lui, l'a fini.
page-end-nul = Un octet NUL l'a fini.
page-end-text = La trame WebSocket l'a fini : une trame, un message.
page-end-binary = La trame WebSocket l'a fini ; dans une trame binaire, rien n'est une commande.
page-end-datagram = Un datagramme est un message.
page-end-too-long = Refusé : trop long pour ce hub ; jeté jusqu'à sa fin.
page-end-unfinished = Abandonné : sa fin n'est jamais venue.
