import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Aggregator, startBroker } from "@psgl/cloud";
import { DataError } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** A whole checkpoint, as another version of psgl may write it: its digest fits. */
function rewritten(bytes: Buffer, change: (content: Buffer) => Buffer): Buffer {
	const content = change(bytes.subarray(0, -32));
	return Buffer.concat([content, createHash("sha256").update(content).digest()]);
}

test("a checkpoint that another version of psgl wrote is refused with what to do, and left as it is", async (t) => {
	const { joint: artifact } = await smallModel();
	const checkpointFile = join(await temporaryFolder(t), "run.checkpoint");
	await using broker = await startBroker({ port: 0 });
	const settings = { rounds: 0 };
	const open = () => Aggregator.start({ artifact, runtime: nodeRuntime, broker, checkpointFile, settings });
	{
		await using aggregator = await open();
		await aggregator.result;
		await aggregator.checkpoint(checkpointFile);
	}
	const bytes = await readFile(checkpointFile);
	const text = (from: string, to: string) => (content: Buffer) =>
		Buffer.from(content.toString("latin1").replace(from, to), "latin1");
	const others = {
		"another format": text("PSGL checkpoint 1", "PSGL checkpoint 2"),
		"another fact": text('"round":', '"turns":'),
		"a vector of another name": text('"server/slots"', '"server/slotz"'),
		"a header that is no JSON": text('{"facts"', '["facts"'),
	};
	for (const [name, change] of Object.entries(others)) {
		const other = rewritten(bytes, change);
		t.notDeepEqual(other, bytes, name);
		await writeFile(checkpointFile, other);
		const error = await t.throwsAsync(open(), { instanceOf: DataError }, name);
		t.is(error?.code, "PSGL_CHECKPOINT_FORMAT", name);
		t.deepEqual(await readFile(checkpointFile), other, name);
	}
	await writeFile(checkpointFile, bytes);
	await (await open()).close();
});
