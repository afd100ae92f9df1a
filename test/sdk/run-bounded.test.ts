import test from "ava";

const module = new URL("../../../sdk/dist/sources/dicom/run-bounded.js", import.meta.url);
const { runBounded } = (await import(module.href)) as {
	readonly runBounded: <T>(start: () => Promise<() => T>, ms: number, usedMs: () => number) => Promise<T>;
};

const forEver = (): never => {
	for (;;);
};

/** Starts what never ends, and from the second time on what gives 7. */
function stoppedOnce() {
	const starts = { count: 0 };
	const start = async () => (++starts.count === 1 ? forEver : () => 7);
	return { starts, start };
}

test("what got little of the processor before its time was over is started once more, with longer by the clock", async (t) => {
	const { starts, start } = stoppedOnce();
	let used = 100;
	const usedMs = () => {
		used += 4;
		return used;
	};
	t.is(await runBounded(start, 20, usedMs), 7);
	t.is(starts.count, 2);
	const error = await t.throwsAsync(runBounded(async () => forEver, 20, usedMs));
	t.is(error?.message, "it took longer than 80 ms");
});

test("what had the processor, or fails by itself, is not started again", async (t) => {
	const { starts, start } = stoppedOnce();
	let used = 0;
	const busy = () => {
		used += 15;
		return used;
	};
	await t.throwsAsync(runBounded(start, 20, busy), { message: "it took longer than 20 ms" });
	t.is(starts.count, 1);
	let attempts = 0;
	const failing = async () => () => {
		attempts++;
		throw new Error("damaged");
	};
	await t.throwsAsync(
		runBounded(failing, 20, () => 0),
		{ message: "damaged" },
	);
	t.is(attempts, 1);
});
