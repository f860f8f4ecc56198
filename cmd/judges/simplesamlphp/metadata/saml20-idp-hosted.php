<?php
// The identity provider, by the Swedish profile as far as it goes: requests must be
// signed and come either way, responses are signed, assertions encrypted.
$metadata[getenv('IDP_URL') . '/telia'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key', 'certificate' => 'idp.pem', 'auth' => 'people',
    'SingleSignOnServiceBinding' => ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect', 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST'],
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:uri',
    'validate.authnrequest' => true, 'redirect.validate' => true, 'assertion.encryption' => true,
    'saml20.sign.response' => true, 'saml20.sign.assertion' => false, // a service provider may want it signed
    'EntityAttributes' => [
        'urn:oasis:names:tc:SAML:attribute:assurance-certification' => ['http://id.elegnamnden.se/loa/1.0/loa3', 'http://id.swedenconnect.se/loa/1.0/uncertified-loa3'],
        'http://macedir.org/entity-category' => ['http://id.elegnamnden.se/ec/1.0/loa3-pnr'],
    ],
    'UIInfo' => ['DisplayName' => ['sv' => 'Telia e-legitimation', 'en' => 'Telia eID']],
    'authproc' => [
        10 => ['class' => 'saml:PersistentNameID', 'attribute' => 'urn:oid:2.5.4.4'],
        20 => ['class' => 'core:PHP', 'code' => '
            $state["saml:AuthnContextClassRef"] = $attributes["loa"][0];
            if (isset($attributes["status"])) {
                \SimpleSAML\Auth\State::throwException($state, new \SimpleSAML\Module\saml\Error(
                    "urn:oasis:names:tc:SAML:2.0:status:Responder", $attributes["status"][0], "the user cancelled"));
            }
            unset($attributes["loa"]);
            // Nobody is shown the text: who logs in for it has read it elsewhere.
            foreach ($state["saml:Extensions"] ?? [] as $extension) {
                if ($extension->getLocalName() === "SignMessage") {
                    $text = base64_decode(trim($extension->getXML()->textContent), true);
                    $attributes["urn:oid:1.2.752.201.3.14"] = ["http://www.w3.org/2001/04/xmlenc#sha256;" . base64_encode(hash("sha256", $text, true))];
                }
            }'],
    ],
];
