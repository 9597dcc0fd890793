#!/bin/sh
# BuildKit's protocol for scanners (its docs/attestations/sbom-protocol.md): one in-toto statement for each file system.
# It lists the packages that dpkg knows to be installed there, and nothing else.
set -eu
# shellcheck disable=SC2016 # these are dpkg's fields
package='{"SPDXID": "SPDXRef-${binary:Package}", "name": "${Package}", "versionInfo": "${Version}"},'
for root in "$BUILDKIT_SCAN_SOURCE" "${BUILDKIT_SCAN_SOURCE_EXTRAS:-/nowhere}"/*; do
    [ -d "$root" ] || continue
    name=${root##*/}
    packages=$(dpkg-query --root="$root" --show --showformat="$package")
    cat >"$BUILDKIT_SCAN_DESTINATION/$name.spdx.json" <<END
{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document", "predicate": {
  "SPDXID": "SPDXRef-DOCUMENT", "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "name": "$name",
  "packages": [${packages%,}]}}
END
done
