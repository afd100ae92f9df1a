import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Aggregator, openFileJournal, startBroker } from "@psgl/cloud";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { openDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { type CliResult, runCli } from "../../helpers/run-cli.js";
import { smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { pngBytes } from "../../helpers/write-png.js";

async function compiled(folder: string): Promise<string> {
	const file = join(folder, "chest.psgl");
	await runCli(`compile --zoo lenet --input 1x28x28 --classes normal,opacity -o ${file}`.split(" "));
	return file;
}

test.serial("cloud trains with a fleet and a device on their own connections, then answers infer", async (t) => {
	const folder = await temporaryFolder(t);
	const artifact = await compiled(folder);
	const kept = join(folder, "ward-3");
	const picture = join(folder, "picture.png");
	await writeFile(
		picture,
		pngBytes(
			28,
			28,
			1,
			Uint8Array.from({ length: 784 }, (_, i) => i % 256),
		),
	);
	const others: Promise<CliResult>[] = [];
	let inferred: Promise<CliResult> | undefined;
	const cloud = await runCli(
		`cloud --json --artifact ${artifact} --state ${folder} --port 0 --rounds 2 --min-devices 3`.split(" "),
		{
			onEvent: (event, child) => {
				if (event.type === "listening") {
					others.push(runCli(`fleet --json --url ${event.url} --devices 2 --samples 80`.split(" ")));
					others.push(
						runCli(`device --json --url ${event.url} --id ward-3 --samples 120 --split 3/3 --state ${kept}`.split(" ")),
					);
				}
				if (event.type === "serving") {
					inferred = runCli(["infer", "--json", "--url", event.url as string, "--input", picture]);
					inferred.finally(() => child.kill("SIGINT"));
				}
			},
		},
	);
	const [fleet, device] = await Promise.all(others);
	t.is(cloud.exitCode, 130, cloud.stderr);
	t.like(cloud.events.at(-1), { type: "result", rounds: 2, reason: "finished", counts: { lost: 0, doubled: 0 } });
	t.is(fleet?.exitCode, 0, fleet?.stderr);
	t.like(fleet?.events.at(-1), { type: "result", devices: 2, failed: 0 });
	t.is(device?.exitCode, 0, device?.stderr);
	t.like(device?.events.at(-1), { type: "result", device: "ward-3" });
	t.true((device?.events.at(-1)?.steps as number) > 0);
	await using store = await openDeviceStore(kept);
	const records = await store.keys("");
	const holds = (part: string) => records.some((key) => key.startsWith("slot/") && key.endsWith(`/${part}`));
	t.true(holds("artifact") && holds("client"), `the device has kept its model: ${records}`);
	t.false(
		records.some((name) => name.startsWith("outbox/")),
		"everything has its answer",
	);
	const second = await runCli(
		`device --json --url mqtt://127.0.0.1:1 --id ward-3 --samples 80 --state ${kept}`.split(" "),
	);
	t.is(second.exitCode, 2);
	t.like(second.events.at(-1), { type: "error", code: "PSGL_STORE_LOCKED" });

	const decision = (await inferred)?.events.at(-1);
	t.like(decision, { type: "result", source: "aggregator", arrived: 1 });
	const { manifest } = await decodeArtifact(await readFile(join(folder, "model.psgl")));
	t.deepEqual(manifest.classes, ["normal", "opacity"]);
	const { disclosed } = manifest;
	const disclosure = device?.events.at(-1)?.disclosure as { records: number; mostBits: number };
	t.is(disclosed?.devices, 3, "what the devices' ledgers count is in the trained model");
	t.true((disclosed?.mostBits ?? 0) >= disclosure.mostBits);
	t.true((disclosed?.records ?? 0) > disclosure.records && (disclosed?.bits ?? 0) > disclosure.mostBits);
	const rounds = join(folder, "rounds");
	const replayed = await runCli(
		["replay", "--json", "--artifact", artifact, "--state", folder].concat("--rounds-to", rounds),
	);
	t.is(replayed.exitCode, 0, replayed.stderr);
	const written = (await readdir(rounds)).toSorted();
	t.deepEqual(written, ["round-00000.psgl", "round-00001.psgl", "round-00002.psgl"]);
	const paramsOf = async (file: string) => (await decodeArtifact(await readFile(file))).tensors.get("client/params");
	const [begun, afterOne, afterTwo] = await Promise.all(written.map((name) => paramsOf(join(rounds, name))));
	t.deepEqual(begun, await paramsOf(artifact), "what the first round began with");
	t.notDeepEqual(afterOne, begun);
	t.notDeepEqual(afterTwo, afterOne, "what each round ended with");
	t.like(replayed.events.at(-1), { type: "result", rounds: 2, bitIdentical: true });
	t.true((replayed.events.at(-1)?.applied as number) > 0);
	const again = await runCli(["infer", "--json", "--artifact", join(folder, "model.psgl"), "--input", picture]);
	const [online] = (decision?.decisions ?? []) as { class: string; probability: number }[];
	const [offline] = (again.events.at(-1)?.decisions ?? []) as { class: string; probability: number }[];
	t.is(offline?.class, online?.class);
	// float16 on the wire, none offline.
	t.true(Math.abs((offline?.probability ?? 0) - (online?.probability ?? 1)) < 0.01);
});

test.serial("a port in use ends with 5", async (t) => {
	const folder = await temporaryFolder(t);
	const artifact = await compiled(folder);
	await using broker = await startBroker({ port: 0 });
	const { exitCode, stderr } = await runCli(
		`cloud --artifact ${artifact} --state ${folder} --port ${broker.port}`.split(" "),
	);
	t.is(exitCode, 5);
	t.regex(stderr, new RegExp(`PSGL_PORT_IN_USE: port ${broker.port} on 127\\.0\\.0\\.1 is in use`));
});

test.serial(
	"a broker that cannot be reached is tried again, says so, and ends with 5 after the deadline",
	async (t) => {
		const { exitCode, events, stderr } = await runCli(
			"device --json --id ward-3 --samples 20 --url mqtt://127.0.0.1:1 --connect-deadline 2".split(" "),
		);
		t.is(exitCode, 5, stderr);
		t.true(events.some((e) => e.type === "retry" && typeof e.delayMs === "number"));
		t.like(events.at(-1), { type: "error", code: "PSGL_BROKER_UNREACHABLE" });
	},
);

test.serial("data that do not fit the model end with 6 on the device, which sends nothing of them", async (t) => {
	const folder = await temporaryFolder(t);
	const artifact = await compiled(folder);
	let device: Promise<CliResult> | undefined;
	await runCli(`cloud --json --artifact ${artifact} --state ${folder} --port 0`.split(" "), {
		onEvent: (event, child) => {
			if (event.type !== "listening") return;
			device = runCli(`device --id ward-3 --samples 20 --image-size 16 --url ${event.url}`.split(" "));
			device.finally(() => child.kill("SIGINT"));
		},
	});
	const { exitCode, stderr } = (await device) as CliResult;
	t.is(exitCode, 6, stderr);
	t.regex(stderr, /PSGL_HELLO_UNFIT[\s\S]*\[1,16,16\][\s\S]*\[1,28,28\]/);
});

test.serial("cloud does not overwrite a run that was stopped", async (t) => {
	const folder = await temporaryFolder(t);
	const artifact = await compiled(folder);
	await writeFile(join(folder, "training.checkpoint"), "");
	const { exitCode, stderr } = await runCli(`cloud --artifact ${artifact} --state ${folder} --port 0`.split(" "));
	t.is(exitCode, 2);
	t.regex(stderr, /PSGL_STATE_EXISTS[\s\S]*--resume/);
	const damaged = await runCli(`cloud --artifact ${artifact} --state ${folder} --port 0 --resume`.split(" "));
	t.is(damaged.exitCode, 3);
	t.regex(damaged.stderr, /PSGL_CHECKPOINT_DAMAGED/);
});

test.serial(
	"a journal of another run and a checkpoint of another model are each named once, and left as they are",
	async (t) => {
		const folder = await temporaryFolder(t);
		const artifact = await compiled(folder);
		const cases = [
			["PSGL_JOURNAL_OTHER_RUN", 2, join(folder, "other-run")],
			["PSGL_CHECKPOINT_MODEL", 4, join(folder, "other-model")],
		] as const;
		const journal = await openFileJournal({ folder: join(cases[0][2], "journal"), run: "b".repeat(64) });
		await journal.close();
		await mkdir(cases[1][2]);
		const checkpoint = join(cases[1][2], "training.checkpoint");
		await using broker = await startBroker({ port: 0 });
		const { joint } = await smallModel();
		await using aggregator = await Aggregator.start({
			artifact: joint,
			runtime: nodeRuntime,
			broker,
			settings: { rounds: 0 },
		});
		await aggregator.checkpoint(checkpoint);
		const before = await readFile(checkpoint);
		for (const [code, exit, state] of cases) {
			const { exitCode, stderr } = await runCli(
				`cloud --artifact ${artifact} --state ${state} --port 0 --resume`.split(" "),
			);
			t.is(exitCode, exit, stderr);
			t.deepEqual(stderr.match(/PSGL_[A-Z_]+/g), [code]);
		}
		t.deepEqual(await readFile(checkpoint), before);
	},
);

test.serial("cloud refuses a client half", async (t) => {
	const folder = await temporaryFolder(t);
	const artifact = await compiled(folder);
	const { clientHalf } = await import("@psgl/models");
	const half = join(folder, "half.psgl");
	await writeFile(half, await clientHalf(await decodeArtifact(await readFile(artifact))));
	const { exitCode, stderr } = await runCli(`cloud --artifact ${half} --state ${folder} --port 0`.split(" "));
	t.is(exitCode, 4);
	t.regex(stderr, /PSGL_ARTIFACT_MEMBER/);
});

test.serial("Ctrl-C while cloud waits for devices leaves a checkpoint and ends with 130", async (t) => {
	const folder = await temporaryFolder(t);
	const artifact = await compiled(folder);
	const { exitCode, events } = await runCli(
		`cloud --json --artifact ${artifact} --state ${folder} --port 0`.split(" "),
		{ onEvent: (event, child) => event.type === "waiting" && child.kill("SIGINT") },
	);
	t.is(exitCode, 130);
	t.true(events.some((e) => e.type === "checkpoint"));
	t.true((await readFile(join(folder, "training.checkpoint"))).length > 0);
});
