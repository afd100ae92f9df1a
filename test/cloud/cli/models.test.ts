import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type CliResult, runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

type Psgl = (line: string, options?: Parameters<typeof runCli>[1]) => Promise<CliResult>;

async function psglIn(t: ExecutionContext): Promise<{ readonly cwd: string; readonly psgl: Psgl }> {
	const cwd = await temporaryFolder(t);
	return { cwd, psgl: (line, options = {}) => runCli(line.split(" "), { cwd, ...options }) };
}

/** Runs a device at an aggregator that only answers, until the device ends; then stops the aggregator. */
async function deviceAt(psgl: Psgl, artifact: string, device: string): Promise<CliResult> {
	let ended: Promise<CliResult> | undefined;
	await psgl(`cloud --json --artifact ${artifact} --port 0 --pki psgl-pki --rounds 0 --state serving`, {
		onEvent: (event, child) => {
			if (event.type !== "listening") return;
			ended = psgl(`provision device --json --id ward-1 --roots psgl-models --renew --url ${event.url}`)
				.then(() => psgl(device))
				.finally(() => child.kill("SIGINT"));
		},
	});
	return ended as Promise<CliResult>;
}

test.serial(
	"two signers sign one after the other, a device trains with that model and refuses an unsigned one",
	async (t) => {
		const { cwd, psgl } = await psglIn(t);
		await psgl("provision init --json --host 127.0.0.1");
		const init = await psgl("models init --json --signers ann,bob,eve --threshold 2");
		t.like(
			init.events.at(-1),
			{ type: "result", version: 1, threshold: 2, signers: ["ann", "bob", "eve"] },
			init.stderr,
		);
		t.is((await stat(join(cwd, "psgl-models", "ann.key"))).mode & 0o777, 0o600);
		t.is((await psgl("models init --signers kim")).exitCode, 2, "a root in use is not overwritten");
		await psgl("compile --zoo lenet --input 1x28x28 --classes normal,opacity -o chest.psgl");
		await writeFile(join(cwd, "plain.psgl"), await readFile(join(cwd, "chest.psgl")));
		const ann = await psgl("models sign --json --artifact chest.psgl --key psgl-models/ann.key");
		t.like(ann.events.at(-1), { signatures: 1, threshold: 2, root: 1 }, ann.stderr);
		const bob = await psgl("models sign --json --artifact chest.psgl --key psgl-models/bob.key --join");
		t.like(bob.events.at(-1), { signatures: 2, counter: ann.events.at(-1)?.counter }, bob.stderr);

		let device: Promise<CliResult> | undefined;
		const cloud = await psgl(
			"cloud --json --artifact chest.psgl --port 0 --pki psgl-pki --rounds 1 --exit-when-trained",
			{
				onEvent: (event) => {
					if (event.type !== "listening") return;
					device = psgl(`provision device --json --id ward-1 --roots psgl-models --url ${event.url}`).then((made) => {
						t.like(made.events.at(-1), { signedModels: true }, made.stderr);
						return psgl("device --json --kit ward-1.kit.json --samples 60 --state kept");
					});
				},
			},
		);
		t.is(cloud.exitCode, 0, cloud.stderr);
		t.is((await device)?.exitCode, 0, (await device)?.stderr);

		const refused = await deviceAt(psgl, "plain.psgl", "device --json --kit ward-1.kit.json --samples 60 --state kept");
		t.is(refused.exitCode, 4, refused.stderr);
		t.regex(refused.stderr + refused.stdout, /PSGL_MODEL_UNSIGNED/);
	},
);

test.serial("rotation shuts a signer out, and needs the signers of before", async (t) => {
	const { cwd, psgl } = await psglIn(t);
	await psgl("models init --json --signers ann,bob,eve --threshold 2");
	await psgl("compile --zoo lenet --input 1x28x28 --classes normal,opacity -o chest.psgl");
	const alone = await psgl("models rotate --key psgl-models/eve.key --remove ann --add mal");
	t.is(alone.exitCode, 4);
	t.regex(alone.stderr, /not signed by enough keys of root 1/);
	t.false(existsSync(join(cwd, "psgl-models", "mal.key")), "nothing is left of it");
	const rotated = await psgl(
		"models rotate --json --key psgl-models/ann.key,psgl-models/bob.key --remove eve --add kim",
	);
	t.like(rotated.events.at(-1), { version: 2, threshold: 2, signers: ["ann", "bob", "kim"] }, rotated.stderr);
	const eve = await psgl("models sign --artifact chest.psgl --key psgl-models/eve.key");
	t.is(eve.exitCode, 2);
	t.regex(eve.stderr, /none of the newest root's/);
	const kim = await psgl("models sign --json --artifact chest.psgl --key psgl-models/kim.key,psgl-models/ann.key");
	t.like(kim.events.at(-1), { signatures: 2, root: 2 }, kim.stderr);
	t.is((await psgl("models sign --artifact chest.psgl --key psgl-models/roots.json")).exitCode, 2);
});
