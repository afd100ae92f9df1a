import type { Log } from "@psgl/cloud";
import { ConnectionError, DataError, LimitError } from "@psgl/sdk";
import type { ExecutionContext } from "ava";

/** `test`, or what declares tests that need a program. */
type Define = (title: string, run: (t: ExecutionContext) => Promise<void>) => void;

const entry = (length: number, value: number) => new Uint8Array(length).fill(value);

async function take(log: Log, from: number, count: number): Promise<[number, number][]> {
	const taken: [number, number][] = [];
	for await (const { position, bytes } of log.read(from)) {
		taken.push([position, bytes[0] as number]);
		if (taken.length === count) break;
	}
	return taken;
}

/** What every implementation of the `Log` port must do. `open` makes an empty log for at most 100 bytes. */
export function logCompliance(test: Define, name: string, open: (t: ExecutionContext) => Promise<Log>): void {
	test(`${name}: gives entries positions from 0 and reads them in order`, async (t) => {
		await using log = await open(t);
		const positions = await Promise.all([1, 2, 3].map((v) => log.append(entry(4, v))));
		t.deepEqual(positions, [0, 1, 2]);
		t.is(log.end, 3);
		t.deepEqual(await take(log, 0, 3), [
			[0, 1],
			[1, 2],
			[2, 3],
		]);
		t.deepEqual(await take(log, 2, 1), [[2, 3]]);
	});

	test(`${name}: a reader waits for what comes`, async (t) => {
		await using log = await open(t);
		const reading = take(log, 0, 2);
		await log.append(entry(1, 7));
		await log.append(entry(1, 8));
		t.deepEqual(await reading, [
			[0, 7],
			[1, 8],
		]);
	});

	test(`${name}: several readers see the same`, async (t) => {
		await using log = await open(t);
		const readings = [take(log, 0, 1), take(log, 0, 1)];
		await log.append(entry(1, 7));
		t.deepEqual(await Promise.all(readings), [[[0, 7]], [[0, 7]]]);
	});

	test(`${name}: closing ends readers after the last entry and refuses appends`, async (t) => {
		const log = await open(t);
		await log.append(entry(1, 7));
		const reading = take(log, 0, 2);
		await log.close();
		t.deepEqual(await reading, [[0, 7]]);
		const error = await t.throwsAsync(log.append(entry(1, 8)), { instanceOf: ConnectionError });
		t.is(error?.code, "PSGL_LOG_CLOSED");
	});

	test(`${name}: an append waits while the log is full, in order, until entries are released`, async (t) => {
		await using log = await open(t);
		await log.append(entry(60, 1));
		const waiting = [log.append(entry(60, 2)), log.append(entry(30, 3))];
		t.is(log.end, 1);
		log.release(1);
		t.deepEqual(await Promise.all(waiting), [1, 2]);
		t.deepEqual(await take(log, 1, 2), [
			[1, 2],
			[2, 3],
		]);
	});

	test(`${name}: an entry that can never fit is refused at once, and the next one is taken`, async (t) => {
		await using log = await open(t);
		const error = await t.throwsAsync(log.append(entry(101, 1)), { instanceOf: LimitError });
		t.is(error?.code, "PSGL_LOG_ENTRY_TOO_LARGE");
		t.is(await log.append(entry(100, 2)), 0);
	});

	test(`${name}: a released entry cannot be read again`, async (t) => {
		await using log = await open(t);
		for (let i = 0; i < 100; i++) {
			await log.append(entry(50, i));
			log.release(i);
		}
		const error = await t.throwsAsync(take(log, 98, 1), { instanceOf: DataError });
		t.is(error?.code, "PSGL_LOG_RELEASED");
		t.is(log.start, 99);
		t.deepEqual(await take(log, 99, 1), [[99, 99]]);
	});

	test(`${name}: waiting stops with the signal`, async (t) => {
		await using log = await open(t);
		const abort = new AbortController();
		const reading = (async () => {
			for await (const _ of log.read(1, { signal: abort.signal })) t.fail("nothing was appended there");
		})();
		await log.append(entry(100, 1));
		const appending = log.append(entry(1, 2), { signal: abort.signal });
		abort.abort(new Error("stopped"));
		await t.throwsAsync(appending, { message: "stopped" });
		await t.throwsAsync(reading, { message: "stopped" });
	});

	test(`${name}: releasing what is not there yet changes nothing`, async (t) => {
		await using log = await open(t);
		log.release(5);
		t.is(await log.append(entry(1, 7)), 0);
		t.deepEqual(await take(log, 0, 1), [[0, 7]]);
	});
}
