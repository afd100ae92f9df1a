import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clientHalf, withWeights } from "@psgl/models";
import { type Artifact, artifactTensor, decodeArtifact, sha256 } from "@psgl/sdk/artifact";
import test from "ava";
import { runCli } from "../../helpers/run-cli.js";
import { ScriptedAggregator } from "../../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { npyBytes, npzBytes } from "../../helpers/write-npz.js";

const id = "ward-3";

/** Ends training whenever the device asks what there is to do. */
async function sendHome(aggregator: ScriptedAggregator): Promise<void> {
	for (;;) {
		if ((await aggregator.next()).type !== "resume") continue;
		await aggregator.send({ type: "end", device: id, reason: "finished", epoch: 0, model: 0 });
	}
}

async function variant(joint: Artifact, note: string, change: (value: number) => number): Promise<Uint8Array> {
	const head = artifactTensor(joint, "client/head");
	const weights = new Map([["client/head", { ...head, data: head.data.map(change) }]]);
	return clientHalf(await decodeArtifact(await withWeights(joint, weights, note)));
}

test("psgl device tells what becomes of a new model, as an event and as a line", async (t) => {
	const folder = await temporaryFolder(t);
	const { joint, client: old } = await smallModel();
	const { samples, labels } = smallDataset(12);
	const data = join(folder, "pictures.npz");
	const pixels = Uint8Array.from(samples as Float32Array, (value) => 255 * value);
	const arrays = {
		train_images: npyBytes("|u1", [12, 8, 8], pixels),
		train_labels: npyBytes("|i4", [12], labels),
	};
	await writeFile(data, npzBytes(arrays));
	const state = join(folder, "state");
	const run = async (artifact: Uint8Array, ...args: readonly string[]) => {
		await using aggregator = await ScriptedAggregator.start(artifact, { protocol: 2 });
		void sendHome(aggregator);
		return await runCli(["device", "--url", aggregator.url, "--id", id, "--data", data, "--state", state, ...args]);
	};
	const first = await run(old, "--json");
	t.is(first.exitCode, 0, first.stderr);
	t.false(first.events.some(({ type }) => type === "model"));

	const broken = await variant(joint, "not finite", () => Number.NaN);
	const rejected = await run(broken, "--json");
	t.is(rejected.exitCode, 4, rejected.stderr);
	t.like(
		rejected.events.find(({ type }) => type === "model"),
		{ device: id, artifact: await sha256(broken), state: "rejected", code: "PSGL_MODEL_UNHEALTHY" },
	);

	const next = await variant(joint, "next", (value) => value);
	const trial = await run(next);
	t.is(trial.exitCode, 0, trial.stderr);
	const name = (await sha256(next)).slice(0, 12);
	t.true(trial.stderr.includes(`${id}: model ${name} passed its check and is on trial\n`), trial.stderr);
});
