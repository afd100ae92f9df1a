import { cloudLimits, createMemoryLog } from "@psgl/cloud";
import test from "ava";
import { logCompliance } from "./log-compliance.js";

logCompliance(test, "memory log", async () => createMemoryLog({ maxBytes: 100 }));

test("memoryLogBytes: the append that would go over it waits until entries are released", async (t) => {
	await using log = createMemoryLog();
	const entry = new Uint8Array(2 ** 20);
	const fitting = cloudLimits.memoryLogBytes / entry.length;
	for (let i = 0; i < fitting; i++) t.is(await log.append(entry), i);
	const waiting = log.append(Uint8Array.of(1));
	t.is(log.end, fitting);
	log.release(1);
	t.is(await waiting, fitting);
});
