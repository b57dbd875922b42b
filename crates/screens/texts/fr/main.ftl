# Textes de tous les écrans. Un message par ligne ; `{ $name }` est la seule chose permise entre accolades.
# Un code de motif a pour clé le code avec `-` à la place de `.` et dit : ce qui s'est passé, ce que cela veut dire, que faire.
# Pour ajouter un motif : ici, dans ../en/main.ftl et dans src/reason.rs.

## Billets
ticket-unreadable = Le code n'a pas pu être lu. Personne n'est entré : essuyez l'écran ou lissez le papier et scannez de nouveau.
ticket-too_long = Ce code est trop long pour un billet. Personne n'est entré : demandez le billet du festival.
ticket-unknown_scheme = Ce format de billet n'est pas utilisé par ce festival. Personne n'est entré : demandez le billet du festival ou envoyez la personne au point info.
ticket-not_canonical = Le code a été modifié ou mal recopié. Personne n'est entré : demandez le billet original.
ticket-bad_signature = La signature est fausse : billet falsifié ou abîmé. Personne n'est entré : demandez l'original ou appelez un responsable.
ticket-unknown_key = Billet signé avec une clé que ce boîtier ne connaît pas. Personne n'est entré : réessayez quand le boîtier sera à jour ou appelez un responsable.
ticket-key_revoked = La clé qui a signé ce billet a été retirée. Personne n'est entré : envoyez la personne au point info pour un nouveau billet.
ticket-wrong_festival = Billet d'un autre festival. Personne n'est entré : demandez le billet de celui-ci.
ticket-revoked = Ce billet a été annulé ou remplacé. Personne n'est entré : demandez le billet plus récent ou envoyez la personne au point info.
ticket-blocked = Ce billet est bloqué. Personne n'est entré : appelez un responsable.
ticket-not_yet_valid = Ce billet n'est pas encore valable. Personne n'est entré : indiquez à la personne quand il commence.
ticket-expired = Ce billet n'est plus valable. Personne n'est entré : envoyez la personne au point info.
ticket-zone_not_allowed = Bon billet, mais pas pour cette entrée. Personne n'est entré : indiquez la bonne porte.
ticket-product_not_allowed = Bon billet, mais ce type n'est pas accepté ici. Personne n'est entré : indiquez le bon guichet.
ticket-already_used = Déjà utilisé : { $place }, { $time }. Personne n'est entré : appelez un responsable en cas de désaccord.
ticket-newer_software = Ce billet demande un logiciel plus récent que celui de ce boîtier. Personne n'est entré : prenez une autre porte ou appelez un responsable.
ticket-disputed = Deux enregistrements de ce billet se contredisent. Personne n'est entré : un responsable décide.

## Porte
gate-time_uncertain = Le boîtier n'est pas sûr de l'heure : les dates du billet n'ont pas été entièrement vérifiées. Regardez-les vous-même.
gate-not_a_gate = Ce boîtier n'est pas une porte. Personne n'est entré : utilisez l'écran d'une porte.
gate-island = Cette porte a décidé seule, sans ses voisines. Le billet reste bon ; une double entrée se verrait plus tard.
gate-one_copy = Entrée enregistrée sur ce boîtier seulement. Continuez et gardez le boîtier en sûreté.

## Bracelets
band-random_uid = C'est un téléphone ou une carte bancaire, pas un bracelet. Rien n'a été débité : demandez le bracelet.
band-unsupported = Ce type de puce n'est pas utilisé ici. Rien n'a été débité : envoyez la personne au point info.
band-not_ours = Ce bracelet n'a pas de données de ce festival. Rien n'a été débité : faites-le associer à une porte ou à un guichet de rechargement.
band-tampered = Les données de ce bracelet ont été modifiées. Rien n'a été débité : retenez la personne et appelez un responsable.
band-unusable = Les données de ce bracelet sont illisibles. Rien n'a été débité, l'argent est en sûreté dans les comptes : envoyez la personne au guichet de rechargement.
band-blocked = Ce bracelet est bloqué. Rien n'a été débité : envoyez la personne au point info.
band-already_paired = Ce bracelet appartient déjà à un billet. Rien n'a changé : prenez un autre bracelet.
band-wrong_band = C'est un autre bracelet. Rien ne lui a été débité : présentez de nouveau le premier bracelet.
band-frozen = Ce bracelet demande un logiciel plus récent que celui de ce boîtier. Rien n'a été débité : envoyez la personne à une autre caisse.
band-pulled_away = Le bracelet est parti trop tôt. Rien n'a été débité : tenez-le contre le lecteur jusqu'au son.

## Caisse et guichet de rechargement
till-not_enough = Pas assez sur le bracelet : { $balance }, et cela coûte { $price }. Rien n'a été débité : retirez un article ou rechargez.
till-offline_limit = Sans le serveur, ce bracelet ne peut dépenser que { $limit } ici. Rien n'a été débité : réessayez plus tard ou retirez un article.
till-over_maximum = Un bracelet peut contenir au plus { $maximum }. Rien n'a été crédité : choisissez un montant plus petit.
till-empty_basket = Le panier est vide. Rien n'a été débité : touchez d'abord un produit.
till-negative_total = Il revient plus de consigne qu'il n'est dépensé. Rien n'a été débité : ajoutez un produit ou retirez des gobelets.
till-too_many_lines = Il y a trop de produits dans ce panier. Rien n'a été débité : faites deux ventes.
till-unknown_product = Un produit n'est plus dans la liste des prix. Rien n'a été débité : refaites le panier.
till-busy = Une autre vente est ouverte sur ce boîtier. Rien n'a été débité : terminez-la ou annulez-la d'abord.
till-not_a_bar = Ce boîtier ne peut pas vendre. Rien n'a été débité : utilisez l'écran d'un bar.
till-not_a_desk = Ce boîtier ne peut pas recharger. Rien n'a été crédité : envoyez la personne au guichet de rechargement.
till-amount = Ce montant n'est pas possible. Rien n'a été crédité : entrez un autre montant.
till-quota = Ce guichet ne peut plus créditer que { $quota }. Rien n'a été crédité : appelez un responsable.
till-not_this_band = Cette vente appartient à un autre bracelet. Rien n'a été débité : présentez le bracelet utilisé au début.
till-supervisor = Deux passages de ce bracelet n'ont pas abouti. Rien d'autre n'est débité : appelez un responsable.
till-in_doubt = Le passage a été coupé, on ne sait pas s'il a été payé. Ne servez pas encore : présentez de nouveau le même bracelet.
till-given_up = On ne peut pas savoir si ce passage a été payé. Les comptes le règlent plus tard : ne débitez pas une seconde fois et appelez un responsable.
till-timeout = Aucun bracelet présenté. Rien n'a été débité : touchez de nouveau Payer.
till-cancelled = La vente a été annulée. Rien n'a été débité : le panier est toujours là.

## Boîtier
box-disk_full = Le disque de ce boîtier est plein. Il ne vend et n'admet plus rien : prenez un autre boîtier et appelez le technicien.
box-degraded = Ce boîtier a trouvé des enregistrements abîmés et les garde comme preuve. Il n'enregistre plus rien : prenez un autre boîtier et appelez le technicien.
box-revoked = Ce boîtier a été révoqué. Ce qu'il fait ne compte plus : cessez de l'utiliser et appelez le technicien.
reader-unplugged = Le lecteur de bracelets ne répond pas. Rien n'a été débité : vérifiez son câble, le boîtier réessaie tout seul.
pairing-ticket_missing = Aucun billet n'attend ce bracelet. Rien n'a changé : scannez d'abord le billet.
reason-unknown = Cet écran n'a pas de texte pour le motif { $code }. Considérez que c'est non et appelez un responsable.

## Serveur : conflits, ce qui s'est passé et que faire
hub-double_admission = Un billet est entré deux fois.
hub-double_admission_todo = Demandez aux deux portes qui est entré. Le billet reste utilisé ; bloquez-le s'il a été copié.
hub-overspend = Un bracelet a dépensé plus qu'il ne contenait : { $amount } de trop.
hub-overspend_todo = Le montant est compté comme dépassement. Bloquez le bracelet et parlez à la personne quand il réapparaît.
hub-fork = Le journal d'un boîtier a deux suites différentes.
hub-fork_todo = Le boîtier a été copié ou restauré. Allez le chercher, regardez les deux branches et décidez ce qui compte.
hub-chip_fork = Un bracelet a deux suites différentes du même enregistrement.
hub-chip_fork_todo = La puce a été copiée ou restaurée. Bloquez le bracelet et demandez-le à la personne.
hub-revoked_entries = Un boîtier révoqué a écrit d'autres entrées après sa révocation.
hub-revoked_entries_todo = Elles ne comptent pas. Regardez-les ; un responsable décide s'il les accepte.
hub-gap = Des entrées d'un boîtier manquent.
hub-gap_todo = Raccordez le boîtier au réseau ou lisez-le par clé USB. Ne clôturez pas les comptes avant.
hub-forbidden_entry = Un boîtier a écrit des entrées que son certificat ne permet pas.
hub-forbidden_entry_todo = Elles ne comptent pas. Vérifiez le boîtier et son rôle ; révoquez-le s'il a été volé.
hub-not_found = Le serveur ne connaît pas ce numéro ou cet identifiant. Rien n'a changé : vérifiez votre saisie.
hub-bad_request = Le serveur n'a pas compris. Rien n'a changé : vérifiez votre saisie.

## Titres d'un verdict
headline-ok = BIENVENUE
headline-repeat = DÉJÀ UTILISÉ
headline-no = STOP
headline-care = PAS VALABLE ICI
headline-unknown = NON LU

## Barre d'état
status-title = État de ce boîtier
status-box = Boîtier { $number }
status-knowledge = Données
status-knowledge-never = aucune
status-unsent = Non envoyé
status-at-risk = À risque
status-hub-connected = Serveur joint
status-hub-away = Pas de serveur
status-one-copy = Une copie
status-two-copies = Deux copies
status-reader-lost = Pas de lecteur
status-time-uncertain = Heure incertaine
status-screen-lost = Cet écran a perdu le boîtier. Ce que vous voyez est ancien : ne faites entrer personne, ne vendez rien. Il réessaie tout seul.
status-connecting = Connexion au boîtier
age-tickets = Billets
age-wallets = Soldes
age-revocations = Révocations
age-bundle = Lot signé
age-seconds = { $count } s
age-minutes = { $count } min
age-hours = { $count } h
age-days = { $count } j
time-source-build = de la date du logiciel
time-source-own_entry = de la dernière entrée de ce boîtier
time-source-hub = du serveur

## Mots communs
other-language = English
sound-on = Activer le son
sound-is-on = Son activé
cancel = Annuler
home = Tous les écrans
notice-failed = Cela n'est pas arrivé au boîtier. On n'en sait rien : regardez l'écran et appuyez de nouveau.
role-gate = Porte
role-bar = Bar
role-top-up = Guichet de rechargement
index-title = Écrans de ce boîtier
index-none = Ce boîtier n'a pas encore de rôle. Il faut d'abord l'inscrire.

## Page de la porte
gate-title = Porte
gate-ready = PRÊT
gate-ready-hint = Scannez le billet
gate-admitted = Entrés
gate-refused = Refusés
gate-last-hour = Dernière heure
gate-last = Dernier scan : { $code }
gate-manual = Saisir un billet à la main
gate-manual-label = Texte du billet
gate-manual-send = Vérifier
gate-first-use = Première entrée : { $place }, { $time }
gate-ticket = Billet …{ $code }
pairing-waiting = Tenez maintenant le bracelet contre le lecteur
pairing-paired = Bracelet associé
scheme-own = Billet du festival
scheme-pretix_sig1 = Billet pretix

## Page de la caisse
till-title = Bar
till-basket = Panier
till-basket-empty = Touchez les produits
till-total = Total
till-deposit = Consigne
till-with-deposit = + { $amount } consigne
till-cup-back = Gobelet rendu
till-cups-back = Gobelets rendus
till-more = Un de plus : { $code }
till-less = Un de moins : { $code }
till-clear = Vider le panier
till-pay = Payer
till-sold-out = Épuisé
till-sales = Ventes
till-sold = Vendu
till-revision = Liste de prix { $number }
till-hand-over = Payé. A-t-il été servi ?
till-hand-over-yes = Oui, servi
till-hand-over-no = Non, à rembourser
till-in-doubt-title = En doute
till-in-doubt-hint = Le même bracelet, encore une fois
till-charged = Débité
till-balance-after = Reste sur le bracelet
till-next = Personne suivante
till-leave = Laisser en doute, personne suivante
till-ok = OK
category-beer = Bières
category-drink = Boissons
category-soft = Sans alcool
category-wine = Vins
category-hot = Boissons chaudes
category-food = À manger
category-other = Autres
phase-idle = PRÊT
phase-waiting_for_band = PRÉSENTEZ LE BRACELET
phase-writing = NE BOUGEZ PLUS
phase-tap_again = ENCORE UNE FOIS
phase-paid = PAYÉ
phase-refused = NON DÉBITÉ
phase-supervisor = RESPONSABLE
phase-hint-waiting = Tenez le bracelet à plat contre le lecteur jusqu'au son.
phase-hint-writing = Le bracelet ne doit pas quitter le lecteur.
phase-hint-tap-again = Ne servez pas encore. Il faut présenter de nouveau le même bracelet.

## Page de rechargement
top_up-title = Guichet de rechargement
top_up-amount = Montant
top_up-paid = CRÉDITÉ
top_up-not-credited = NON CRÉDITÉ
top_up-pay-cash = Espèces reçues : créditer
top_up-digit = Chiffre { $number }
top_up-double-zero = Deux zéros
top_up-back = Effacer le dernier chiffre
top_up-clear = Effacer le montant
top_up-today = Crédité aujourd'hui
top_up-quota-left = Encore permis
top_up-credited = Crédité

## Console du serveur
console-title = Serveur
console-boxes = Boîtiers
console-no-boxes = Aucun boîtier n'est encore inscrit.
console-number = N°
console-place = Lieu
console-roles = Rôle
console-device = Appareil
console-last-seen = Vu
console-entries = Entrées
console-epoch = Époque
console-gaps = Trous
console-branches = Branches
console-unsent = Non envoyé
console-state = État
console-never = jamais
console-revoked = Révoqué
console-ok = En ordre
console-look = À regarder
console-away = Sans nouvelles
console-term = Mandat { $number }
console-books = Comptes
console-balanced = Les comptes sont justes
console-not-balanced = Les comptes ne sont pas justes : { $amount }
console-not-final = Les sommes concordent, mais { $count } bracelets ou billets attendent un logiciel plus récent
console-in = Entré
console-where = Où il est
console-aside = Comptes à part
console-guests-in = Personnes sur place
console-admissions = Entrées du public
console-top-up = Rechargé
console-spent = Dépensé
console-deposits = Consignes dehors
console-balance = Sur les bracelets
console-refunded = Remboursé
console-fees = Frais
console-pending-credit = Crédits en attente
console-overspend = Dépassements
console-expired = Expiré
console-in-doubt = En doute
console-disputed = Contesté
console-gifts = Offert
console-unexplained = Inexpliqué
console-frozen = Gelés
console-conflicts = Conflits
console-no-conflicts = Rien ne se contredit.
console-todo = Que faire.
console-actions = Actions
console-ticket-new = Créer un billet
console-ticket-category = Catégorie
console-ticket-holder = Nom de la personne
console-ticket-make = Créer le billet
console-ticket-qr = Code QR du billet
console-ticket-revoke = Révoquer un billet
console-ticket-id = Identifiant du billet
console-band-block = Bloquer un bracelet
console-band-wallet = Identifiant du solde, 32 chiffres ou lettres de a à f
console-box-revoke = Révoquer un boîtier
console-box-number = Numéro du boîtier
console-do-revoke = Révoquer
console-do-block = Bloquer
console-really = Appuyez encore pour confirmer
console-done = Fait. Les boîtiers l'apprennent dès qu'ils entendent le serveur.
conflict-double_admission = Double entrée
conflict-overspend = Dépassement
conflict-fork = Journal dédoublé
conflict-chip_fork = Bracelet copié
conflict-revoked_entries = Entrées d'un boîtier révoqué
conflict-gap = Entrées manquantes
conflict-forbidden_entry = Entrée interdite

## Vue de la démonstration
demo-title = Une soirée, côte à côte
demo-boxes = Ce que sait chaque boîtier
demo-hub = Ce que sait le serveur
demo-hub-away = Le serveur ne répond pas.
demo-story = Ce qui s'est passé
demo-open = Ouvrir son écran : { $place }
demo-console = Ouvrir la console
demo-stopped = Courant coupé
demo-start = La soirée commence : boîtiers et serveur sont reliés.
demo-link_cut = La liaison de { $place } est coupée.
demo-link_back = La liaison de { $place } est rétablie.
demo-power_cut = Le courant de { $place } tombe au milieu d'un passage.
demo-power_back = { $place } a redémarré.
demo-box_revoked = { $place } a été volé et révoqué.
demo-double_scan = Un même billet est présenté à deux portes isolées.
demo-agreed = Tous les boîtiers et le serveur sont de nouveau d'accord.
