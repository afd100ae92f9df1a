import test from "ava";
import { runChaos } from "../chaos/chaos.js";

for (const [labels, seed, window] of [
	["shared", 7, 3],
	["device", 8, 1],
] as const) {
	test(`twenty kills on bad links with clocks a day off, labels ${labels}, ${window} in flight: nothing is lost, nothing takes effect twice, and the journal gives the same bits`, async (t) => {
		const result = await runChaos({ kills: 20, devices: 4, seed, labels, window, onProgress: (line) => t.log(line) });
		t.log(JSON.stringify(result));
		t.like(result, { kills: 20, lost: 0, doubled: 0, bitIdentical: true });
		t.true(result.acknowledged > 0);
		const { connections, delayed, duplicated, reordered } = result.faults;
		t.true(connections > 4 && delayed > 0 && duplicated > 0 && reordered > 0, "the links were bad");
	});
}
