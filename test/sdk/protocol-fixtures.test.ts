import { readdirSync, readFileSync } from "node:fs";
import { ChunkAssembler, decodeEnvelope, encodeEnvelope, type Message, splitIntoChunks } from "@psgl/sdk/protocol";
import test from "ava";
import { ManualClock } from "../helpers/manual-clock.js";
import { samples } from "./protocol-samples.js";

const folder = new URL("../../../test/fixtures/protocol/", import.meta.url);
const hexOf = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const fixture = (name: string) => hexOf(readFileSync(new URL(`${name}.hex`, folder), "utf8"));
const chunkNames = readdirSync(folder)
	.filter((name) => /^infer-chunk-\d+\.hex$/.test(name))
	.map((name) => name.replace(".hex", ""))
	.sort();

for (const [name, message] of Object.entries<Message>(samples)) {
	test(`${name}.hex is what the message encodes to, and decodes to it`, (t) => {
		const bytes = fixture(name);
		t.is(Buffer.from(encodeEnvelope(message)).toString("hex"), bytes.toString("hex"));
		const decoded = decodeEnvelope(bytes);
		t.deepEqual(plain(decoded), plain(message));
	});
}

test("the chunk fixtures are what the infer message is cut into, and make it whole again", (t) => {
	const chunks = splitIntoChunks(samples.infer, 320);
	t.true(chunks.length >= 3);
	t.deepEqual(
		chunks.map((chunk) => Buffer.from(chunk).toString("hex")),
		chunkNames.map((name) => fixture(name).toString("hex")),
	);
	using assembler = new ChunkAssembler({
		from: "device",
		device: "ward-3",
		clock: new ManualClock(),
		onExpired: () => t.fail(),
	});
	const received = chunkNames.map((name) => assembler.accept(fixture(name)));
	t.true(received.slice(0, -1).every((r) => r === undefined));
	t.deepEqual(plain(received.at(-1)?.message as Message), plain(samples.infer));
});

test("every fixture belongs to a sample", (t) => {
	const files = readdirSync(folder).filter((name) => name.endsWith(".hex"));
	t.deepEqual(files.sort(), [...Object.keys(samples), ...chunkNames].map((name) => `${name}.hex`).sort());
});

test("docs/protocol.md takes the fixture apart as it is", (t) => {
	const docs = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
	const block = /```hex batch-int8\n([\s\S]*?)```/.exec(docs)?.[1] ?? "";
	const hex = block.replaceAll(/#.*$/gm, "").replaceAll(/\s/g, "");
	t.is(hex, fixture("batch-int8").toString("hex"));
});

/** Typed arrays as lists, undefined fields gone: what has to be equal, whatever memory it lies in. */
function plain(message: Message): unknown {
	return JSON.parse(
		JSON.stringify(message, (_, value: unknown) =>
			ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value,
		),
	);
}
