import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { type CliResult, runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

test.serial(
	"provision, cloud and device: from nothing to a trained model over TLS, and a revoked device stays out",
	async (t) => {
		const cwd = await temporaryFolder(t);
		const psgl = (line: string, options = {}) => runCli(line.split(" "), { cwd, ...options });
		const init = await psgl("provision init --json --host 127.0.0.1");
		t.is(init.exitCode, 0, init.stderr);
		// The port is known once the broker listens; a kit can be written again with --renew.
		const request = await psgl("provision request --json --id ward-1");
		t.like(request.events.at(-1), { type: "result", device: "ward-1", key: "ward-1.key", request: "ward-1.csr" });
		t.is((await stat(join(cwd, "ward-1.key"))).mode & 0o777, 0o600);
		await psgl("compile --zoo lenet --input 1x28x28 --classes normal,opacity -o chest.psgl");

		const devices: Promise<CliResult>[] = [];
		let revoked: Promise<CliResult> | undefined;
		const cloud = await psgl("cloud --json --artifact chest.psgl --port 0 --pki psgl-pki --rounds 1 --min-devices 2", {
			onEvent: (event: Record<string, unknown>, child: { kill(signal: string): void }) => {
				if (event.type === "listening") {
					devices.push(
						(async () => {
							const made = await psgl(`provision device --json --id ward-1 --request ward-1.csr --url ${event.url}`);
							t.like(made.events.at(-1), { holdsKey: false });
							return psgl("device --json --kit ward-1.kit.json --key ward-1.key --samples 60 --split 1/2");
						})(),
						(async () => {
							const made = await psgl(`provision device --json --id ward-2 --url ${event.url}`);
							t.like(made.events.at(-1), { holdsKey: true });
							return psgl("device --json --kit ward-2.kit.json --samples 60 --split 2/2");
						})(),
					);
				}
				if (event.type === "serving") {
					void psgl("provision revoke --id ward-2 --reason lost");
				}
				if (event.type === "certificates") {
					revoked = psgl("device --json --kit ward-2.kit.json --samples 60 --connect-deadline 1");
					revoked.finally(() => child.kill("SIGINT"));
				}
			},
		});
		for (const device of await Promise.all(devices)) t.is(device.exitCode, 0, device.stderr);
		t.is(cloud.exitCode, 130, cloud.stderr);
		t.like(cloud.events.at(-1), { type: "result", rounds: 1, counts: { lost: 0, doubled: 0 } });
		const refused = await revoked;
		t.is(refused?.exitCode, 5, refused?.stderr);
		t.true(
			cloud.events.some(
				({ type, what }) => type === "connection-refused" && /ward-2: .* is revoked/.test(String(what)),
			),
			"the operator is told why",
		);
		const trail = await psgl("trail verify --json");
		t.like(trail.events.at(-1), { type: "result", ok: true, faults: [] });
		const entries = (await readFile(join(cwd, "psgl-state", "trail.ndjson"), "utf8")).trimEnd().split("\n");
		const events = entries.map((line) => JSON.parse(line) as Record<string, unknown>);
		const sent = events.filter(({ event }) => event === "artifact-sent").map(({ device }) => device);
		t.deepEqual(sent.sort(), ["ward-1", "ward-2"]);
		t.true(events.some(({ event, reason }) => event === "refused" && /ward-2: .* is revoked/.test(String(reason))));
		t.true(events.some(({ event, round }) => event === "round" && round === 1));
		await writeFile(join(cwd, "psgl-state", "trail.ndjson"), `${entries.slice(1).join("\n")}\n`);
		t.is((await psgl("trail verify")).exitCode, 1);
		const list = await psgl("provision list");
		t.regex(list.stdout, /ward-1 +valid/);
		t.regex(list.stdout, /ward-2 +revoked .* lost/);
	},
);

test.serial("wrong uses end with 2 and say what to do", async (t) => {
	const cwd = await temporaryFolder(t);
	await writeFile(join(cwd, "broken.json"), "{");
	const cases: [string, RegExp][] = [
		["provision", /one of init, device, request, revoke, list|PSGL_USAGE/i],
		["provision device --id ward-3", /PSGL_PKI_MISSING.*\n.*\n?.*/],
		["provision init --host a/b", /PSGL_OPTION: --host cannot be used/],
		["provision revoke --id ward-3", /PSGL_PKI_MISSING/],
		["device --samples 60", /PSGL_OPTION_MISSING: the device has no name/],
		["device --kit broken.json --samples 60", /PSGL_KIT/],
		["device --kit none.json --samples 60", /PSGL_KIT: none.json cannot be read/],
	];
	for (const [line, message] of cases) {
		const { exitCode, stderr } = await runCli(line.split(" "), { cwd });
		t.is(exitCode, 2, line);
		t.regex(stderr, message, line);
	}
	await runCli("provision init".split(" "), { cwd });
	const again = await runCli("provision init".split(" "), { cwd });
	t.regex(again.stderr, /PSGL_PKI_EXISTS/);
	const key = await readFile(join(cwd, "psgl-pki", "ca.key"), "utf8");
	t.false(again.stderr.includes(key.split("\n")[1] as string), "no key in messages");
	await runCli("compile --zoo lenet --input 1x28x28 --classes 2 -o m.psgl".split(" "), { cwd });
	const plain = await runCli("cloud --artifact m.psgl --host 0.0.0.0 --port 0".split(" "), { cwd });
	t.is(plain.exitCode, 2);
	t.regex(plain.stderr, /PSGL_PLAIN_OUTSIDE_LOOPBACK.*\n.*0\.0\.0\.0/);
});
