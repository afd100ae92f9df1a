import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Aggregator, CertificateAuthority, startBroker } from "@psgl/cloud";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { pictureFolder } from "../helpers/picture-folder.js";
import { projectFolder, runCli } from "../helpers/run-cli.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { brokerFiles } from "../helpers/tls-broker.js";

const example = join(projectFolder, "examples", "device");

/** The command of the example's unit, with this machine's places for the unit's. */
async function command(credentials: string, state: string): Promise<readonly string[]> {
	const unit = await readFile(join(example, "ward-device.service"), "utf8");
	const [, line = ""] = unit.match(/^ExecStart=(.*)$/m) ?? [];
	return (
		line
			.replace("/usr/bin/node", process.execPath)
			// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of systemd
			.replace("${CREDENTIALS_DIRECTORY}", credentials)
			.replaceAll("/var/lib/ward-device", state)
			.split(" ")
	);
}

test("the example device trains with the kit psgl provision wrote, killed in mid-round and started again by its unit's command", async (t) => {
	const folder = await temporaryFolder(t);
	const pki = join(folder, "pki");
	const ca = await CertificateAuthority.create(pki, { name: "test", days: 10 });
	await ca.issueBroker(["127.0.0.1"], 5);
	const definition = presetDefinition("robust", zooNetwork("lenet"), [1, 28, 28], ["bright", "dark"]);
	const artifact = await compileArtifact(definition, { name: "example", random: seededRandom(1) });
	await using broker = await startBroker({ port: 0, tls: await brokerFiles(ca) });
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		settings: { rounds: 2, batchSize: 8, averageEvery: 0 },
	});
	const kit = join(folder, "kit");
	const provision = ["provision", "device", "--pki", pki, "--id", "ward-3", "--url", broker.url, "--output", kit];
	t.is((await runCli(provision)).exitCode, 0);
	await pictureFolder(join(folder, "data"), 24);
	const [program = "", ...args] = await command(folder, folder);
	const start = () => spawn(program, args, { cwd: example, stdio: ["ignore", "pipe", "inherit"] });

	const first = start();
	const ended = once(first, "close");
	for await (const event of aggregator.events()) if (event.type === "step" && event.step === 2) break;
	first.kill("SIGKILL");
	await ended;
	const second = start();
	const lines: string[] = [];
	for await (const line of createInterface(second.stdout)) lines.push(line);
	const { counts, rounds } = await aggregator.result;
	t.deepEqual([rounds, counts.lost, counts.doubled], [2, 0, 0]);
	t.is(lines.at(-1), "training is over: finished");
	t.regex(lines.at(-2) ?? "", /^round 2: local loss \d/);
});
