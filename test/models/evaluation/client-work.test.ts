import { ClientWork } from "@psgl/models";
import { elementCount } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { smallDataset, smallModel } from "../../helpers/small-model.js";

for (const mode of ["none", "robust", "shield"] as const) {
	test(`the client half of ${mode} can be timed without training it`, async (t) => {
		const { joint } = await smallModel(mode);
		const { manifest, tensors } = joint;
		const before = structuredClone(tensors.get("client/params"));
		const options = { runtime: nodeRuntime, batchSize: 8 };
		// Fewer samples than a batch: they are repeated.
		await using work = await ClientWork.load(joint, smallDataset(5, 1), options);
		await work.step();
		await work.step();
		await work.record();
		t.deepEqual(tensors.get("client/params"), before);
		const { client, head, code, smashedShape } = manifest;
		const values = client.paramCount + client.statCount + head.paramCount;
		t.true(work.memoryBytes >= 3 * 4 * (client.paramCount + head.paramCount), "Adam keeps two values of each");
		t.true(work.memoryBytes < 4 * 4 * values, `${work.memoryBytes}`);
		const expected = code === null ? 2 * elementCount(smashedShape) : (code.numbers * code.bits) / 8;
		t.is(work.recordBytes("float16"), expected);
	});
}
