import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { LimitError, type PsglError } from "@psgl/sdk";
import { type DicomImage, DicomReceiver, PduGuard, readDicom, receiverLimits } from "@psgl/sdk/sources/dicom";
import test, { type ExecutionContext } from "ava";
import { withPrograms } from "../helpers/outside-program.js";
import { runProgram } from "../helpers/run-program.js";
import { sharedPath } from "../helpers/shared.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { dicomBytes, words } from "../helpers/write-dicom.js";

const sixteen = words(Array.from({ length: 16 }, (_, i) => i));

/** A receiver that keeps what it gets. */
async function receiving(options: { title?: string; callers?: readonly string[] } = {}) {
	const images: DicomImage[] = [];
	const refusals: PsglError[] = [];
	const receiver = await DicomReceiver.start({
		port: 0,
		...options,
		onImage: (image) => void images.push(image),
		onRefused: (error) => refusals.push(error),
	});
	return { receiver, images, refusals, [Symbol.asyncDispose]: () => receiver.close() };
}

async function fileOf(t: ExecutionContext, bytes: Uint8Array): Promise<string> {
	const file = join(await temporaryFolder(t), "image.dcm");
	await writeFile(file, bytes);
	return file;
}

const storescu = (port: number, ...args: readonly string[]) =>
	runProgram("storescu", [...args.slice(0, -1), "127.0.0.1", String(port), args.at(-1) as string], { timeout: 60_000 });

/** What storescu tells, whether or not the object was taken. */
async function storescuLog(port: number, file: string): Promise<string> {
	const told = await storescu(port, "-v", file).catch((error: { stdout: string; stderr: string }) => error);
	return told.stdout + told.stderr;
}

/** Sends bytes and waits until the connection has ended, in whatever way. */
function sendRaw(port: number, bytes: Uint8Array): Promise<void> {
	return new Promise((resolve) => {
		const socket = connect(port, "127.0.0.1");
		socket.on("error", () => {});
		socket.on("close", () => resolve());
		socket.end(bytes);
		socket.resume();
	});
}

withPrograms("storescu", "echoscu")(
	"what a modality sends arrives with the pixels it had, in each transfer syntax",
	async (t) => {
		await using received = await receiving();
		const { port } = received.receiver;
		await runProgram("echoscu", ["127.0.0.1", String(port)]);
		const samples: readonly (readonly [string, string])[] = [
			["CT_small.dcm", "-xe"],
			["MR_small_implicit.dcm", "-xi"],
			["MR_small_bigendian.dcm", "-xb"],
			["MR_small_RLE.dcm", "-xr"],
			["MR_small_jpeg_ls_lossless.dcm", "-xt"],
			["693_J2KR.dcm", "-xv"],
			["JPEG-LL.dcm", "-xs"],
			["JPGExtended.dcm", "-xx"],
		];
		for (const [file, flag] of samples) {
			const path = sharedPath("data/dicom", file);
			await storescu(port, flag, path);
			const [image, source] = [received.images.at(-1), await readDicom(path)];
			t.is(image?.syntax.uid, source.syntax.uid, file);
			t.deepEqual(await image?.storedValues(), await source.storedValues(), file);
			t.is(image?.patient, source.patient, file);
		}
		t.is(received.images.length, samples.length);
		t.deepEqual(received.refusals, []);
	},
);

withPrograms("storescu")("titles are checked on both sides", async (t) => {
	await using received = await receiving({ title: "PSGL", callers: ["CT1", "MR 2"] });
	const { port } = received.receiver;
	const file = await fileOf(t, dicomBytes({ pixels: sixteen }));
	await storescu(port, "-aec", "PSGL", "-aet", "MR 2", file);
	t.is(received.images.length, 1);
	await t.throwsAsync(storescu(port, "-aec", "OTHER", "-aet", "CT1", file), {
		message: /Called AE Title Not Recognized/,
	});
	await t.throwsAsync(storescu(port, "-aec", "PSGL", "-aet", "XR9", file), {
		message: /Calling AE Title Not Recognized/,
	});
	t.is(received.images.length, 1);
	await t.throwsAsync(receiving({ title: "a title that is too long" }), { code: "PSGL_DICOM_TITLE" });
	await t.throwsAsync(DicomReceiver.start({ port, onImage: () => {} }), { code: "PSGL_DICOM_LISTEN" });
});

withPrograms("storescu")(
	"an image that cannot be used is refused, the modality keeps it, and the next one is taken",
	async (t) => {
		await using received = await receiving();
		const { port } = received.receiver;
		const palette = dicomBytes({ pixels: sixteen, elements: [[0x00280004, "CS", "PALETTE COLOR"]] });
		// The status (C000, cannot understand) is in storescu's log; its exit code tells of the association only.
		const log = await storescuLog(port, await fileOf(t, palette));
		t.regex(log, /Error: CannotUnderstand/);
		t.deepEqual(
			received.refusals.map(({ code }) => code),
			["PSGL_DICOM_UNSUPPORTED"],
		);
		await storescu(port, await fileOf(t, dicomBytes({ pixels: sixteen })));
		t.is(received.images.length, 1);
		t.notRegex(received.refusals.map((error) => `${error.message}${error.cause}`).join(), /Doe|P-0001/);
	},
);

withPrograms("storescu")("a receiver that has no room says so", async (t) => {
	const full = new LimitError("PSGL_LABELS_FULL", { what: "no room" });
	const options = { port: 0, onImage: () => Promise.reject(full) };
	await using receiver = await DicomReceiver.start(options);
	const log = await storescuLog(receiver.port, await fileOf(t, dicomBytes({ pixels: sixteen })));
	t.regex(log, /Refused: OutOfResources/);
});

test("hostile bytes end their connection with a typed error, and the receiver goes on", async (t) => {
	await using received = await receiving();
	const { port } = received.receiver;
	const unit = (type: number, length: number) => {
		const head = Buffer.alloc(6);
		head.writeUInt8(type, 0);
		head.writeUInt32BE(length, 2);
		return head;
	};
	const fragment = (bytes: number, control: number) => {
		const head = Buffer.alloc(6);
		head.writeUInt32BE(bytes + 2, 0);
		head.writeUInt8(1, 4);
		head.writeUInt8(control, 5);
		return Buffer.concat([unit(4, bytes + 6), head, Buffer.alloc(bytes)]);
	};
	/** A whole command set: one element, (0000,0100) being the command field. */
	const command = (element: number, value: number) => {
		const head = fragment(10, 3);
		head.writeUInt16LE(element, 14);
		head.writeUInt32LE(2, 16);
		head.writeUInt16LE(value, 20);
		return head;
	};
	const cases: readonly (readonly [Buffer, string])[] = [
		[Buffer.from("GET / HTTP/1.1\r\n\r\n"), "PSGL_DICOM_PROTOCOL"],
		[unit(4, 0xffffffff), "PSGL_DICOM_LIMIT"],
		[unit(1, receiverLimits.maxPduBytes + 1), "PSGL_DICOM_LIMIT"],
		[Buffer.concat([unit(4, 6), Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 0])]), "PSGL_DICOM_PROTOCOL"],
		[Buffer.concat([unit(4, 2), Buffer.alloc(2)]), "PSGL_DICOM_PROTOCOL"],
		[fragment(receiverLimits.maxCommandBytes + 1, 1), "PSGL_DICOM_LIMIT"],
		// C-FIND, C-GET, C-MOVE, N-CREATE, an answer to C-STORE, no command at all.
		...[0x0020, 0x0010, 0x0021, 0x0140, 0x8001].map(
			(field) => [command(0x0100, field), "PSGL_DICOM_PROTOCOL"] as const,
		),
		[command(0x0110, 0x0001), "PSGL_DICOM_PROTOCOL"],
		[fragment(10, 3), "PSGL_DICOM_PROTOCOL"],
	];
	for (const [bytes, code] of cases) {
		await sendRaw(port, bytes);
		t.is(received.refusals.at(-1)?.code, code);
	}
	t.is(received.refusals.length, cases.length);
	// Well-formed units in an order that makes no sense are the library's to refuse.
	for (const bytes of [
		fragment(10, 2),
		command(0x0100, 0x0001),
		command(0x0100, 0x0030),
		unit(5, 0),
		unit(2, 0),
		Buffer.concat([unit(1, 4), Buffer.alloc(4)]),
	]) {
		await sendRaw(port, bytes);
	}
});

test("more connections than allowed are closed at once", async (t) => {
	await using received = await receiving();
	const open = () => connect(received.receiver.port, "127.0.0.1");
	const kept = Array.from({ length: receiverLimits.maxConnections }, open);
	await Promise.all(kept.map((socket) => once(socket, "connect")));
	const further = open();
	further.resume();
	await once(further, "close");
	t.true(kept.every((socket) => !socket.destroyed));
	for (const socket of kept) socket.destroy();
});

test("maxObjectBytes: an object that does not end there ends the connection", async (t) => {
	const bytes = 262_000;
	const unit = Buffer.alloc(12 + bytes);
	unit.writeUInt8(4, 0);
	unit.writeUInt32BE(6 + bytes, 2);
	unit.writeUInt32BE(2 + bytes, 6);
	const guard = new PduGuard();
	let passed = 0;
	guard.on("data", () => passed++);
	const ended = once(guard, "error");
	while (!guard.destroyed && passed * bytes <= 2 * receiverLimits.maxObjectBytes) {
		if (!guard.write(unit)) await new Promise((resolve) => setImmediate(resolve));
	}
	const [error] = (await ended) as [LimitError];
	t.is(error.code, "PSGL_DICOM_LIMIT");
	t.is(passed, Math.floor(receiverLimits.maxObjectBytes / bytes));
});

test("idleTimeoutMs: a silent connection is closed, and the receiver goes on", async (t) => {
	await using receiver = await DicomReceiver.start({ port: 0, onImage: () => undefined, idleTimeoutMs: 50 });
	for (let n = 0; n < 2; n++) {
		const silent = connect(receiver.port, "127.0.0.1");
		silent.resume();
		await once(silent, "close");
		t.true(silent.destroyed);
	}
});
