"""Has pyHanko validate seals: python3 pyhanko_judge.py ROOT.pem FILE.pdf ...

Prints one line of JSON for each file: what pyHanko says of the only signature in
it, and of the same signature by the rules of EN 319 102-1 (basic validation).
"""

import asyncio
import json
import logging
import sys

from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import ades, validate_pdf_signature
from pyhanko.sign.validation.policy_decl import CertValidationPolicySpec, SignatureValidationSpec
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager


def judge(root, name):
    with open(name, "rb") as f:
        reader = PdfFileReader(f, strict=True)
        signatures = reader.embedded_signatures
        if len(signatures) != 1:
            return {"signatures": len(signatures)}
        signature = signatures[0]
        status = validate_pdf_signature(
            signature, ValidationContext(trust_roots=[root], allow_fetching=False)
        )
        basic = asyncio.run(
            ades.ades_basic_validation(
                signature.signed_data,
                SignatureValidationSpec(
                    CertValidationPolicySpec(
                        SimpleTrustManager.build(trust_roots=[root]), CertRevTrustPolicy(NO_REVOCATION)
                    )
                ),
                raw_digest=signature.compute_digest(),
            )
        )
        return {
            "signatures": 1,
            "intact": status.intact,
            "valid": status.valid,
            "trusted": status.trusted,
            "coverage": status.coverage.name,
            "modified": status.modification_level.name,
            "certified": status.docmdp_ok,
            "permitted": signature.docmdp_level.name,
            "bottom_line": status.bottom_line,
            "ades": str(basic.ades_subindic),
        }


def main():
    logging.disable(logging.CRITICAL)
    root = load_cert_from_pemder(sys.argv[1])
    for name in sys.argv[2:]:
        try:
            said = judge(root, name)
        except Exception as e:  # whatever it says of a forged file is an answer
            said = {"error": type(e).__name__ + ": " + str(e)}
        print(json.dumps(said))


main()
