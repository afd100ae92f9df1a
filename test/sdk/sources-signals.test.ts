import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PsglError, seededRandom } from "@psgl/sdk";
import { type LoadEvent, loadData, type WindowProvenance } from "@psgl/sdk/sources";
import {
	annotatedWindows,
	liveBeats,
	RPeakDetector,
	readCsvAnnotations,
	readCsvSignals,
	readEdf,
	readWfdb,
	resample,
	signalLimits,
} from "@psgl/sdk/sources/signals";
import test, { type ExecutionContext } from "ava";
import { joinedBeats, joinedRate } from "../helpers/joined-beats.js";
import { sharedPath, withShared } from "../helpers/shared.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { edfBytes, wfdbAnnotations, wfdbSamples } from "../helpers/write-signals.js";

const wave = Array.from({ length: 400 }, (_, i) => Math.round(900 * Math.sin(i / 9) + (i % 7) * 10 - 30));
const sumOf = (values: readonly number[]) => ((values.reduce((sum, v) => sum + v, 0) + 32_768) & 0xffff) - 32_768;

async function fileOf(t: ExecutionContext, name: string, content: string | Uint8Array): Promise<string> {
	const path = join(await temporaryFolder(t), name);
	await writeFile(path, content);
	return path;
}

for (const format of [16, 212] as const) {
	test(`a WFDB record in format ${format} reads in physical units, with its annotations`, async (t) => {
		const folder = await temporaryFolder(t);
		const second = wave.map((v) => -v);
		const both = wave.flatMap((v, i) => [v, second[i] as number]);
		const header = [
			"r 2 360 400",
			`r.dat ${format} 200(24)/mV 12 0 ${wave[0]} ${sumOf(wave)} 0 MLII`,
			`r.dat ${format} 100/uV 12 10 ${second[0]} ${sumOf(second)} 0 V5`,
			"# 69 M 1085 1629 x1",
		];
		await writeFile(join(folder, "r.hea"), header.join("\n"));
		await writeFile(join(folder, "r.dat"), wfdbSamples(both, format));
		const marks = [
			{ at: 18, label: 28 },
			{ at: 77, label: 1 },
			{ at: 5000, label: 5 },
		];
		await writeFile(join(folder, "r.atr"), wfdbAnnotations(marks));
		const record = await readWfdb(join(folder, "r.hea"));
		t.deepEqual(
			record.signals.map(({ label, unit, sampleRate }) => [label, unit, sampleRate]),
			[
				["MLII", "mV", 360],
				["V5", "uV", 360],
			],
		);
		t.deepEqual(
			record.signals[0]?.values,
			Float32Array.from(wave, (v) => (v - 24) / 200),
		);
		t.deepEqual(
			record.signals[1]?.values,
			Float32Array.from(second, (v) => (v - 10) / 100),
		);
		t.deepEqual(record.annotations, [
			{ time: 18 / 360, label: "+" },
			{ time: 77 / 360, label: "N" },
			{ time: 5000 / 360, label: "V" },
		]);
		t.notRegex(JSON.stringify(record.provenance), /1085|69 M/);

		// Cut off, changed, and with a gap's marker in it.
		const bytes = await readFile(join(folder, "r.dat"));
		await writeFile(join(folder, "r.dat"), bytes.subarray(0, 300));
		await t.throwsAsync(readWfdb(join(folder, "r.hea")), { code: "PSGL_SIGNAL_TRUNCATED" });
		await writeFile(join(folder, "r.dat"), wfdbSamples([...both.slice(0, -2), 5, 5], format));
		await t.throwsAsync(readWfdb(join(folder, "r.hea")), { code: "PSGL_SIGNAL_TRUNCATED", message: /checksum/ });
		await writeFile(
			join(folder, "r.dat"),
			wfdbSamples([...both.slice(0, -2), format === 16 ? -32_768 : -2048, 5], format),
		);
		await writeFile(join(folder, "r.hea"), header.map((line) => line.replace(/ \S+ 0 (MLII|V5)$/, "")).join("\n"));
		const gap = (await readWfdb(join(folder, "r.hea"))).signals[0]?.values.at(-1);
		t.true(Number.isNaN(gap));
		await writeFile(join(folder, "r.atr"), wfdbAnnotations(marks).subarray(0, 6));
		await t.throwsAsync(readWfdb(join(folder, "r.hea")), { code: "PSGL_SIGNAL_TRUNCATED" });
	});
}

const headers: readonly (readonly [string, string, string])[] = [
	["r 1 360 10\nr.dat 310 200", "PSGL_SIGNAL_UNSUPPORTED", "another format"],
	["r/2 1 360 10\nr.dat 16 200", "PSGL_SIGNAL_UNSUPPORTED", "several segments"],
	["r 1 360 10\nr.dat 16x4 200", "PSGL_SIGNAL_UNSUPPORTED", "several samples a frame"],
	["r 1 360 10\n../../etc/passwd 16 200", "PSGL_SIGNAL_HEADER", "a file elsewhere"],
	["r 2 360 10\nr.dat 16 200", "PSGL_SIGNAL_HEADER", "too few signals"],
	["r 1 nothing\nr.dat 16 200", "PSGL_SIGNAL_HEADER", "no rate"],
	["", "PSGL_SIGNAL_HEADER", "nothing"],
	[`r ${signalLimits.maxSignals + 1} 360 10`, "PSGL_SIGNAL_LIMIT", "too many signals"],
	[`r 1 360 ${signalLimits.maxRecordValues + 1}\nr.dat 16 200`, "PSGL_SIGNAL_LIMIT", "too many values"],
];
for (const [header, code, what] of headers) {
	test(`a WFDB header with ${what} is refused with ${code}`, async (t) => {
		const path = await fileOf(t, "r.hea", header);
		await writeFile(join(path, "..", "r.dat"), wfdbSamples([1, 2, 3], 16));
		await t.throwsAsync(readWfdb(path), { code });
	});
}

test("an EDF+ file reads in physical units; gaps are NaN, annotations are kept, the patient is not", async (t) => {
	const values = wave.slice(0, 300);
	const signals = [{ label: "ECG", values, perRecord: 100 }];
	const marks = [
		{ at: 0.5, label: "rest" },
		{ at: 7.25, label: "run" },
	];
	const path = await fileOf(t, "r.edf", edfBytes(signals, { starts: [0, 1, 7], marks }));
	const record = await readEdf(path);
	const [signal] = record.signals;
	t.deepEqual([signal?.label, signal?.unit, signal?.sampleRate, signal?.values.length], ["ECG", "mV", 100, 800]);
	const wanted = (i: number) => ((values[i] as number) + 1000) * (10 / 2000) - 5;
	for (const i of [0, 150, 199]) t.true(Math.abs((signal?.values[i] as number) - wanted(i)) < 1e-6);
	t.true(signal?.values.subarray(200, 700).every(Number.isNaN));
	t.true(Math.abs((signal?.values[700] as number) - wanted(200)) < 1e-6);
	t.deepEqual(
		record.annotations.map(({ time, label }) => [time, label]),
		[
			[0.5, "rest"],
			[7.25, "run"],
		],
	);
	t.notRegex(JSON.stringify(record), /Jane|P-0001|1951/);
});

test("EDF files that are cut off or make no sense are refused", async (t) => {
	const whole = edfBytes([{ label: "ECG", values: wave, perRecord: 100 }]);
	const cases: readonly (readonly [Buffer, string])[] = [
		[whole.subarray(0, 100), "PSGL_SIGNAL_TRUNCATED"],
		[whole.subarray(0, 300), "PSGL_SIGNAL_TRUNCATED"],
		[whole.subarray(0, whole.length - 10), "PSGL_SIGNAL_TRUNCATED"],
		[Buffer.from(whole).fill("9", 0, 8), "PSGL_SIGNAL_HEADER"],
		[Buffer.from(whole).fill("x", 252, 256), "PSGL_SIGNAL_HEADER"],
		[Buffer.from(whole).fill("9", 252, 256), "PSGL_SIGNAL_LIMIT"],
		[edfBytes([{ label: "ECG", values: wave, perRecord: 100 }], { starts: [0, 1, 5, 2] }), "PSGL_SIGNAL_HEADER"],
		[
			edfBytes([{ label: "ECG", values: wave, perRecord: 100 }], { starts: [0, 1, 2, 99_999_999] }),
			"PSGL_SIGNAL_LIMIT",
		],
	];
	for (const [bytes, code] of cases) await t.throwsAsync(readEdf(await fileOf(t, "r.edf", bytes)), { code });
	// A recorder that lost its power never wrote the number of records.
	const open = Buffer.from(whole);
	open.write("-1      ", 236);
	t.is((await readEdf(await fileOf(t, "r.edf", open.subarray(0, open.length - 10)))).signals[0]?.values.length, 300);
});

test("signals and annotations read from text, gaps and empty cells as NaN", async (t) => {
	const path = await fileOf(t, "a.signals.csv", "time;II;V1\n0;1;2\n0.01;;3\n0.02;nan;4\n0.05;5;6\n");
	const { signals } = await readCsvSignals(path);
	t.deepEqual(
		signals.map(({ label }) => label),
		["II", "V1"],
	);
	t.true(Math.abs((signals[0]?.sampleRate ?? 0) - 100) < 1e-9);
	t.deepEqual([...(signals[0]?.values ?? [])], [1, NaN, NaN, NaN, NaN, 5]);
	t.deepEqual([...(signals[1]?.values ?? [])], [2, 3, 4, NaN, NaN, 6]);
	const bare = await fileOf(t, "b.csv", "II\n1\n2\n");
	await t.throwsAsync(readCsvSignals(bare), { code: "PSGL_SIGNAL_HEADER" });
	t.is((await readCsvSignals(bare, { sampleRate: 250 })).signals[0]?.sampleRate, 250);
	const labels = await fileOf(t, "a.labels.csv", "time,label\n2.5,V\n0.5,N\n");
	t.deepEqual(await readCsvAnnotations(labels), [
		{ time: 0.5, label: "N" },
		{ time: 2.5, label: "V" },
	]);
	for (const text of [
		"1,2\n3,4\n",
		"time,II\n0,1\n0,2\n",
		"time,II\n0,x\n1,2\n",
		"",
		"time,II\n0,1\n1,2\n2,3\n9e9,4\n",
	]) {
		const error = await t.throwsAsync(readCsvSignals(await fileOf(t, "c.csv", text)));
		t.regex(error instanceof PsglError ? error.code : "", /^PSGL_SIGNAL/, text);
	}
});

test("resampling keeps what the new rate can carry and takes away the rest", (t) => {
	const tone = (rate: number, hz: number) =>
		Float32Array.from({ length: rate * 4 }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
	const worst = (a: Float32Array, b: Float32Array) =>
		a.subarray(40, -40).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i + 40] as number))), 0);
	t.true(worst(resample(tone(360, 10), 360, 250), tone(250, 10)) < 2e-3);
	t.true(worst(resample(tone(250, 10), 250, 360), tone(360, 10)) < 2e-3);
	// 90 Hz does not fit into 100 values a second: it must not come back as 10 Hz.
	t.true(worst(resample(tone(360, 90), 360, 100), new Float32Array(400)) < 2e-3);
});

test("windows with a gap, over an end, with company or another label are set aside and counted", (t) => {
	const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i / 5));
	values.fill(NaN, 600, 610);
	const times = [0.01, 2, 4, 4.1, 6, 8, 9.99];
	const record = {
		signals: [{ label: "II", unit: "mV", sampleRate: 100, values }],
		annotations: times.map((time) => ({ time, label: time === 8 ? "?" : "N" })),
		provenance: { kind: "csv", digest: "" },
	} as const;
	const { samples, setAside } = annotatedWindows(record, { classes: ["N"], before: 0.2, after: 0.2, length: 41 });
	t.deepEqual(setAside, { "over an end": 2, gap: 1, "not alone": 2, "other label": 1 });
	t.is(samples.length, 1);
	for (const [i, value] of (samples[0]?.x.data ?? []).entries()) {
		t.true(Math.abs(value - (Math.sin((180 + i) / 5) + 1) / 2) < 0.01);
	}
	const own = annotatedWindows(record, { classes: ["N"], before: 0.05, after: 0.05, length: 11, scale: "window" });
	for (const { x } of own.samples) t.deepEqual([Math.min(...x.data), Math.max(...x.data)], [0, 1]);
});

withShared("a folder of WFDB, EDF and CSV recordings of real beats becomes samples, patient by patient", async (t) => {
	const folder = await temporaryFolder(t);
	const patients = (await joinedBeats(sharedPath("data/ecg/mitbih128_disjoint.npz"), 300)).slice(0, 9);
	const codes: Readonly<Record<string, number>> = { N: 1, L: 2, R: 3, A: 8, V: 5 };
	for (const [i, { values, peaks, symbols, record }] of patients.entries()) {
		const digital = Array.from(values, (value) => Math.round(value * 1000));
		const name = join(folder, String(record));
		if (i % 3 === 0) {
			await writeFile(`${name}.hea`, `${record} 1 ${joinedRate} ${digital.length}\n${record}.dat 212 1000/mV\n`);
			await writeFile(`${name}.dat`, wfdbSamples(digital, 212));
			await writeFile(
				`${name}.atr`,
				wfdbAnnotations(peaks.map((at, k) => ({ at, label: codes[symbols[k] as string] ?? 13 }))),
			);
			continue;
		}
		// One more beat at the very end: its window goes over it.
		const marks = peaks.map((at, k) => `${at / joinedRate},${symbols[k]}`).concat(`${values.length / joinedRate},N`);
		const labels = ["time,label", ...marks].join("\n");
		await writeFile(`${name}.labels.csv`, labels);
		if (i % 3 === 1) {
			const lines = Array.from(values, (value, k) => `${(k / joinedRate).toFixed(6)},${value}`);
			await writeFile(`${name}.signals.csv`, ["time,II", ...lines].join("\n"));
		} else {
			const rest = digital.length % 229;
			// Data records of a second hold whole samples: 229 of them a second, within 0.1 % of the true rate.
			const signal = { label: "II", values: digital.slice(0, digital.length - rest), perRecord: 229 };
			await writeFile(`${name}.edf`, edfBytes([signal]));
		}
	}
	await writeFile(join(folder, "broken.hea"), "broken 1 360 100\nbroken.dat 16 200\n");
	const events: LoadEvent[] = [];
	const set = await loadData(folder, { seed: 1, onProgress: (event) => events.push(event) });
	const codesTold = events.flatMap((event) => (event.type === "warning" ? [event.code] : []));
	t.deepEqual(codesTold, ["PSGL_DATA_NOT_FOUND", "PSGL_SIGNAL_SET_ASIDE", "PSGL_DATA_NO_TEST"]);
	t.true(set.train.classes.includes("N") && set.train.classes.length >= 2);
	t.deepEqual(set.train.shape, [1, 128]);
	const parts = [set.train, set.validation, set.test];
	const records = parts.map((part) => new Set(part.records));
	t.is(
		records.reduce((sum, part) => sum + part.size, 0),
		new Set(records.flatMap((part) => [...part])).size,
	);
	const origins = parts.flatMap((part) => Array.from(part.labels, (_, i) => part.provenance?.(i) as WindowProvenance));
	t.deepEqual([...new Set(origins.map(({ kind }) => kind))].sort(), ["csv", "edf", "wfdb"]);
	t.is(new Set(origins.map(({ digest }) => digest)).size, patients.length);
	t.is(new Set(origins.map(({ digest, time }) => `${digest} ${time}`)).size, origins.length);
	const total = parts.reduce((sum, part) => sum + part.length, 0);
	const beats = patients.reduce((sum, { peaks }) => sum + peaks.length, 0);
	t.true(total > 0.8 * beats, `${total} of ${beats}`);
	for (const part of parts) {
		t.true((part.samples as Float32Array).every((value) => value >= 0 && value <= 1));
	}
	const model = await loadData(folder, { seed: 1, classes: ["V", "Q", "N"] });
	t.deepEqual(model.train.classes, ["V", "Q", "N"]);
	t.deepEqual([...new Set(model.train.labels)].sort(), [0, 2]);
	await mkdir(join(folder, "empty"));
	await writeFile(join(folder, "empty", "x.signals.csv"), "time,II\n0,1\n1,2\n");
	await t.throwsAsync(loadData(join(folder, "empty"), { seed: 1 }), { code: "PSGL_SIGNAL_CLASSES" });
	await t.throwsAsync(loadData(folder, { seed: 1, strict: true }), { code: "PSGL_DATA_NOT_FOUND" });
});

withShared("the R-peak detector finds real beats as they come, in 43 patients", async (t) => {
	const records = await joinedBeats(sharedPath("data/ecg/mitbih128_disjoint.npz"), 100);
	t.is(records.length, 43);
	let [beats, found, right, distance] = [0, 0, 0, 0];
	for (const { values, peaks } of records) {
		const detector = new RPeakDetector(joinedRate);
		const detected: number[] = [];
		for (let i = 0; i < values.length; i += 50) detected.push(...detector.push(values.subarray(i, i + 50)));
		// As ANSI/AAMI EC57 counts: a detection within 150 ms of a beat that has none yet.
		let next = 0;
		for (const peak of peaks) {
			while (next < detected.length && (detected[next] as number) < peak - 0.15 * joinedRate) next++;
			const off = Math.abs((detected[next] ?? Number.POSITIVE_INFINITY) - peak);
			if (off > 0.15 * joinedRate) continue;
			right++;
			distance += off;
			next++;
		}
		beats += peaks.length;
		found += detected.length;
	}
	const [sensitivity, predictivity] = [right / beats, right / found];
	t.log(
		`${beats} beats: sensitivity ${sensitivity}, positive predictivity ${predictivity}, mean distance ${((distance / right / joinedRate) * 1000).toFixed(1)} ms`,
	);
	t.is(beats, 26_490);
	t.true(sensitivity > 0.985 && predictivity > 0.995, `${sensitivity} ${predictivity}`);
});

test("the detector is silent on silence, goes on over a gap, and does not depend on how values come", (t) => {
	const random = seededRandom(4);
	const beat = (i: number) => Math.exp(-(((i % 250) - 125) ** 2) / 30) + 0.02 * random.normal();
	const values = Float32Array.from({ length: 10_000 }, (_, i) => beat(i));
	values.fill(NaN, 5000, 5400);
	const whole = new RPeakDetector(250).push(values);
	const single = new RPeakDetector(250);
	t.deepEqual(
		Array.from(values).flatMap((value) => single.push([value])),
		whole,
	);
	t.true(whole.length >= 36 && whole.length <= 40, `${whole.length}`);
	t.deepEqual(new RPeakDetector(250).push(new Float32Array(5000)), []);
});

test("live beats are windows around the peaks, whatever the portions", async (t) => {
	const values = Float32Array.from({ length: 30_000 }, (_, i) => Math.exp(-(((i % 250) - 125) ** 2) / 30));
	async function* portions() {
		for (let i = 0; i < values.length; i += 333) yield values.subarray(i, i + 333);
	}
	const times: number[] = [];
	for await (const { x, provenance } of liveBeats(portions(), { sampleRate: 250, length: 64 })) {
		t.deepEqual(x.dims, [1, 64]);
		t.is(Math.max(...x.data), 1);
		times.push(provenance.time);
	}
	t.true(times.length >= 115, `${times.length}`);
	for (let i = 1; i < times.length; i++) t.true(Math.abs((times[i] as number) - (times[i - 1] as number) - 1) < 0.05);
	const abort = new AbortController();
	abort.abort(new Error("stop"));
	const stopped = liveBeats(portions(), { sampleRate: 250, signal: abort.signal });
	await t.throwsAsync(stopped.next(), { message: "stop" });
});

test("maxSignalFileBytes: a longer file is refused before it is read", async (t) => {
	const path = await fileOf(t, "long.csv", "time,a\n");
	await truncate(path, signalLimits.maxSignalFileBytes + 1);
	await t.throwsAsync(readCsvSignals(path), { code: "PSGL_SIGNAL_LIMIT", message: /1073741825 bytes/ });
});

test("maxAnnotations: a record with more of them is refused", async (t) => {
	const folder = await temporaryFolder(t);
	await writeFile(join(folder, "r.hea"), "r 1 360 1\nr.dat 16 200");
	await writeFile(join(folder, "r.dat"), Buffer.alloc(2));
	const marks = new Uint16Array(signalLimits.maxAnnotations + 2).fill((1 << 10) | 1);
	marks[signalLimits.maxAnnotations + 1] = 0;
	await writeFile(join(folder, "r.atr"), marks);
	await t.throwsAsync(readWfdb(join(folder, "r.hea")), { code: "PSGL_SIGNAL_LIMIT", message: /annotations/ });
	marks[signalLimits.maxAnnotations] = 0;
	await writeFile(join(folder, "r.atr"), marks);
	t.is((await readWfdb(join(folder, "r.hea"))).annotations.length, signalLimits.maxAnnotations);
});
