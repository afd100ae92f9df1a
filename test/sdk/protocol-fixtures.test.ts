import { readdirSync, readFileSync } from "node:fs";
import {
	ChunkAssembler,
	decodeEnvelope,
	encodeEnvelope,
	type Message,
	protocolLimits,
	splitIntoChunks,
} from "@psgl/sdk/protocol";
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

test("docs/protocol.md describes every field of every message, and every limit's value", (t) => {
	const docs = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
	for (const message of Object.values<Message>(samples)) {
		const title = message.type === "status" ? "## Status" : `### \`${message.type}\``;
		const from = docs.indexOf(`\n${title}\n`);
		t.true(from >= 0, title);
		const rest = docs.slice(from + title.length);
		const section = rest.slice(0, rest.search(/\n##+ /));
		// `evaluate` refers to `batch` for the fields they share.
		const shared = message.type === "evaluate" ? ["epoch", "seq", "model", "tensors"] : [];
		for (const field of Object.keys(message)) {
			if (["type", "device", "body", ...shared].includes(field)) continue;
			t.true(section.includes(`\`${field}\``), `${message.type}.${field}`);
		}
		const tensors = "tensors" in message ? Object.keys(message.tensors ?? {}) : [];
		for (const name of tensors) t.true(message.type === "evaluate" || section.includes(`\`${name}\``), name);
	}
	const { minMessageBytes, defaultMessageBytes, maxBodyBytes, maxHeaderBytes, maxChunks, chunkTimeoutMs } =
		protocolLimits;
	for (const value of [
		`${minMessageBytes / 1024} KiB`,
		`${defaultMessageBytes.toLocaleString("en")} bytes`,
		`${maxBodyBytes / 1024 ** 2} MiB`,
		`${maxHeaderBytes / 1024} KiB`,
		maxChunks.toLocaleString("en"),
		`${chunkTimeoutMs / 1000} s`,
		`${protocolLimits.maxPartialBytes / 1024 ** 2} MiB`,
	]) {
		t.true(docs.slice(docs.indexOf("\n## Limits\n")).includes(`| ${value} |`), value);
	}
});

/** Typed arrays as lists, undefined fields gone: what has to be equal, whatever memory it lies in. */
function plain(message: Message): unknown {
	return JSON.parse(
		JSON.stringify(message, (_, value: unknown) =>
			ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value,
		),
	);
}
