<?php
// SimpleSAMLphp as an identity provider like that of Telia e-legitimation, for
// ../saml_simplesamlphp_test.go: this folder is its configuration. What differs
// from run to run comes by the environment.
$dir = getenv('IDP_DIR') . '/';
$config = [
    'baseurlpath' => getenv('IDP_URL') . '/',
    'certdir' => $dir, 'loggingdir' => $dir, 'datadir' => $dir, 'tempdir' => $dir . 'tmp',
    'metadatadir' => __DIR__ . '/metadata/',
    'secretsalt' => getenv('IDP_SECRET'), 'auth.adminpassword' => getenv('IDP_SECRET'),
    'technicalcontact_name' => 'Test', 'technicalcontact_email' => 'test@example.se',
    'timezone' => 'Europe/Stockholm',
    'enable.saml20-idp' => true,
    'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
    'store.type' => 'sql', 'store.sql.dsn' => 'sqlite:' . $dir . 'sessions.sq3',
    'session.cookie.secure' => false, 'session.cookie.samesite' => null, 'language.cookie.secure' => false,
    'logging.handler' => 'file', 'logging.level' => SimpleSAML\Logger::INFO, 'logging.logfile' => 'idp.log',
    'admin.checkforupdates' => false,
    // Service providers are known by their own metadata, as they publish it.
    'metadata.sources' => array_merge(
        [['type' => 'flatfile']],
        array_map(fn($file) => ['type' => 'xml', 'file' => $file], glob($dir . 'peers/*.xml'))
    ),
    'metadata.sign.enable' => true,
    'metadata.sign.privatekey' => 'federation.key', 'metadata.sign.certificate' => 'federation.pem',
];
