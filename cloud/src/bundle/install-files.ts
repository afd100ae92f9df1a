import type { Target } from "./target.js";

/** Digests of the files as they are once installed. */
export const installedSums = "SHA256SUMS.installed";

/** Where a bundle has its own Node.js, if it has: not packed by Brotli, as it unpacks what is. */
export const nodeFile = "lib/node";

/** Starts the device's program with the bundle's Node.js or the machine's, its young objects in 1 MiB a half: they are few, and idle memory counts. */
export const startScript = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
node=node
[ ! -x "$here/${nodeFile}" ] || node=$here/${nodeFile}
exec "\${PSGL_NODE:-$node}" --max-semi-space-size=1 "$here/lib/app/main.js" "$@"
`;

/** Checks the files and the machine, and puts the files where the unit looks for them. */
export const installScript = (target: Target): string => `#!/bin/sh
# sudo sh install.sh [FOLDER]   installs into FOLDER (default /opt/psgl); with systemd also the unit psgl-device.service.
set -eu
here=$(dirname "$(readlink -f "$0")")
to=\${1:-/opt/psgl}
to=$(readlink -m "$to")
cd "$here"
sha256sum --check --quiet --strict SHA256SUMS
node=node
[ ! -x ${nodeFile} ] || node=$here/${nodeFile}
node=\${PSGL_NODE:-$node}
"$node" -e 'const [major, minor] = process.versions.node.split(".").map(Number);
process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
	{ echo "psgl needs Node.js 20.19 or later as node, or in PSGL_NODE" >&2; exit 1; }
found=$("$node" -p 'process.platform + "-" + process.arch')
[ "$found" = ${target} ] || { echo "this bundle is for ${target}, Node.js here is for $found" >&2; exit 1; }
rm -rf "$to.new"
mkdir -p "$to.new"
cp -R . "$to.new/"
"$node" "$to.new/lib/app/unpack.js" "$to.new"
(cd "$to.new" && sha256sum --check --quiet --strict ${installedSums})
rm -rf "$to.old"
[ ! -e "$to" ] || mv "$to" "$to.old"
mv "$to.new" "$to"
if [ "$to" = /opt/psgl ] && command -v systemctl >/dev/null; then
	id psgl >/dev/null 2>&1 || useradd --system --home-dir /var/lib/psgl --shell /usr/sbin/nologin psgl
	mkdir -p /etc/psgl
	cp psgl-device.service /etc/systemd/system/
	systemctl daemon-reload
	echo "Put the start-up kit at /etc/psgl/kit.json and the data below /var/lib/psgl/data; then: systemctl enable --now psgl-device"
fi
echo "Installed: $to (the one before, if any: $to.old)"
`;

/** Runs the device as a user of its own that may write its state and nothing else. */
export const systemdUnit = `[Unit]
Description=psgl device
Wants=network-online.target
After=network-online.target

[Service]
User=psgl
StateDirectory=psgl
StateDirectoryMode=0700
LoadCredential=kit:/etc/psgl/kit.json
ExecStart=/opt/psgl/psgl device --kit \${CREDENTIALS_DIRECTORY}/kit --data /var/lib/psgl/data --state /var/lib/psgl/state
Restart=on-failure
RestartSec=10
Nice=10
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true

[Install]
WantedBy=multi-user.target
`;
