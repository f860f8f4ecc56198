"""Debian's pysaml2 as an identity provider, for saml_pysaml2_test.go: requests in
addresses, responses signed and not encrypted. A form asks who it is, and in what way
to tamper with the answer. Arguments: a port, and a folder with idp.key, idp.pem and
peer.pem: the certificate with which service providers sign their metadata."""
import base64
import html
import re
import sys
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.sigver import verify_redirect_signature
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

PORT, DIR = int(sys.argv[1]), sys.argv[2]
BASE = f"http://127.0.0.1:{PORT}"
LOA3 = "http://id.elegnamnden.se/loa/1.0/loa3"
ENTITY = "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor"
NUMBERS = {"ett": "196608182942", "tva": "198006299252"}


def config(signed, **more):
    return IdPConfig().load({
        "entityid": BASE + "/metadata", "key_file": DIR + "/idp.key", "cert_file": DIR + "/idp.pem", "xmlsec_binary": "/usr/bin/xmlsec1",
        "service": {"idp": {
            "endpoints": {"single_sign_on_service": [(BASE + "/sso", BINDING_HTTP_REDIRECT)]},
            "want_authn_requests_signed": signed, "name_id_format": [NAMEID_FORMAT_PERSISTENT],
            "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None, "name_form": NAME_FORMAT_URI}},
        }}, **more})


def server(sp):
    """The identity provider and one peer: its name is where its signed metadata is."""
    # What want_authn_requests_signed demands is in the message; here it is in the query.
    return Server(config=config(False, metadata={"remote": [{"url": sp, "cert": DIR + "/peer.pem", "node_name": ENTITY}]}))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        at = urlsplit(self.path)
        if at.path != "/sso":
            return self.say(200, str(entity_descriptor(config(True))))
        query = dict(parse_qsl(at.query, strict_parsing=True))
        text = zlib.decompress(base64.b64decode(query["SAMLRequest"]), -15).decode()
        idp = server(re.search(r"Issuer[^>]*>([^<]+)<", text)[1])
        request = idp.parse_authn_request(query["SAMLRequest"], BINDING_HTTP_REDIRECT).message
        cert = idp.metadata.certs(request.issuer.text, "spsso", "signing")[0]
        if not verify_redirect_signature(query, idp.sec.sec_backend, cert):
            return self.say(403, "the signature does not verify")
        acs = idp.response_args(request, [BINDING_HTTP_POST])["destination"]
        self.form("/login", sp=request.issuer.text, id=request.id, acs=acs, relay=query["RelayState"], person="", tamper="")

    def do_POST(self):
        q = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), keep_blank_values=True))
        number = NUMBERS[q["person"]]
        response = str(server(q["sp"]).create_authn_response(
            {"personalIdentityNumber": number, "givenName": "Testperson", "sn": "Ett"}, q["id"], q["acs"], q["sp"],
            name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, sp_name_qualifier=q["sp"], text=q["person"]), authn={"class_ref": LOA3},
            sign_response=q["tamper"] != "unsigned", sign_assertion=q["tamper"] == "unsigned",
            sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256))
        if q["tamper"] == "changed":
            response = response.replace(number, NUMBERS["tva"])
        self.form(q["acs"], SAMLResponse=base64.b64encode(response.encode()).decode(), RelayState=q["relay"])

    def form(self, action, **fields):
        hidden = "".join(f'<input name="{n}" value="{html.escape(v)}">' for n, v in fields.items())
        self.say(200, f'<!DOCTYPE html><form method="post" action="{html.escape(action)}">{hidden}<button>OK</button></form>')

    def say(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "application/samlmetadata+xml" if self.path == "/metadata" else "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())


HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
