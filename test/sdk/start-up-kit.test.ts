import { Device, parseStartUpKit } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";

const pem = (label: string) => `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`;
const kit = {
	format: 1,
	id: "ward-3",
	url: "mqtts://cloud.example:8883",
	authority: pem("CERTIFICATE"),
	certificate: pem("CERTIFICATE"),
	key: pem("PRIVATE KEY"),
};

test("a kit is read, its key taken from beside it where it holds none", (t) => {
	t.deepEqual(parseStartUpKit(JSON.stringify(kit)), kit as ReturnType<typeof parseStartUpKit>);
	const { key, ...keyless } = kit;
	t.is(parseStartUpKit(JSON.stringify(keyless), key).key, key);
	t.throws(() => parseStartUpKit(JSON.stringify(keyless)), { code: "PSGL_KIT", message: /without a key.*--key/ });
});

test("what is no kit is refused, and no secret is quoted", (t) => {
	const secret = "-----BEGIN PRIVATE KEY-----\nSECRET";
	const texts = [
		`{"key": "${secret}`,
		JSON.stringify({ ...kit, format: 2 }),
		JSON.stringify({ ...kit, id: "ward/3" }),
		JSON.stringify({ ...kit, authority: "AAAA" }),
		JSON.stringify({ ...kit, extra: 1 }),
		JSON.stringify({ ...kit, key: `x${secret}` }),
		"[]",
	];
	for (const text of texts) {
		const error = t.throws(() => parseStartUpKit(text), { code: "PSGL_KIT" });
		t.false(`${error?.message}${error?.stack}${String(error?.cause)}`.includes("SECRET"), text);
	}
});

test("a kit stands for id and broker: both together are refused", async (t) => {
	const own = parseStartUpKit(JSON.stringify(kit));
	await t.throwsAsync(Device.connect({ kit: own, id: "ward-4", runtime: nodeRuntime }), {
		code: "PSGL_DEVICE_OPTIONS",
		message: /a kit names id and broker/,
	});
});
