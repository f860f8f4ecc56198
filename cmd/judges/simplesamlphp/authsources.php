<?php
// People who log in with their name as password. loa is the level that their e-ID
// proves; status how it fails.
$person = fn($number, $surname, $more) => $more + [
    'urn:oid:1.2.752.29.4.13' => [$number], 'urn:oid:2.5.4.42' => ['Testperson'], 'urn:oid:2.5.4.4' => [$surname],
    'loa' => ['http://id.elegnamnden.se/loa/1.0/loa3'],
];
$config = [
    'people' => [
        'exampleauth:UserPass',
        'ett:ett' => $person('196608182942', 'Ett', []),
        'tva:tva' => $person('198006299252', 'Två', ['loa' => ['http://id.swedenconnect.se/loa/1.0/uncertified-loa3']]),
        'tre:tre' => $person('198101199282', 'Tre', ['loa' => ['http://id.elegnamnden.se/loa/1.0/loa2']]),
        'fyrtiotre:fyrtiotre' => $person('198206822390', 'Fyrtiotre', []),
        'ingen:ingen' => array_diff_key($person('', 'Ingen', []), ['urn:oid:1.2.752.29.4.13' => 0]),
        'avbryter:avbryter' => $person('198107039276', 'Fyra', ['status' => ['http://id.elegnamnden.se/status/1.0/cancel']]),
    ],
];
