import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import type { Page } from "playwright-core";
import { browserSite } from "../helpers/browser.js";
import { startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { hasShared, sharedPath } from "../helpers/shared.js";
import { smallModel, smallShape } from "../helpers/small-model.js";
import { dicomBytes, words } from "../helpers/write-dicom.js";
import { pngBytes } from "../helpers/write-png.js";

const { test, site, open } = browserSite("examples/browser");

/** Pictures of one class as files, dark (0) or bright (1), each a little different. */
function pictures(label: number, count: number) {
	const [, height, width] = smallShape;
	return Array.from({ length: count }, (_, i) => ({
		name: `${label}-${i}.png`,
		mimeType: "image/png",
		buffer: Buffer.from(
			pngBytes(
				width,
				height,
				1,
				Uint8Array.from({ length: height * width }, (_, p) => 150 * label + ((p * 7 + i * 13) % 60)),
			),
		),
	}));
}

/** The same pictures as a data set of a device in Node. */
function dataset(count: number): Dataset {
	const size = smallShape[1] * smallShape[2];
	const samples = Uint8Array.from(
		{ length: count * size },
		(_, i) => 150 * (Math.floor(i / size) % 2) + (((i % size) * 7 + Math.floor(i / size) * 13) % 60),
	);
	const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
	return new Dataset({ shape: smallShape, classes: ["dark", "bright"], labels, samples });
}

async function connect(page: Page, url: string): Promise<void> {
	await page.fill("#url", url);
	await page.fill("#id", "tablet");
	await page.click("#connect button");
	await page.waitForSelector("#model:not([hidden])");
}

const says = (page: Page, id: string, text: RegExp) =>
	page.locator(`#${id}`).filter({ hasText: text }).waitFor({ state: "visible" });

test("a tablet's page trains a round together with devices in Node, shows what leaves, and decides", async (t) => {
	const { joint } = await smallModel("robust");
	await using cloud = await startCloud(
		joint,
		{ rounds: 2, batchSize: 4, minDevices: 3, seed: 1 },
		{ webSocketOrigins: [site().origin] },
	);
	const page = await open(t);
	await connect(page, cloud.webSocketUrl as string);
	await page.setInputFiles("[aria-label='Pictures of dark']", pictures(0, 8));
	await page.setInputFiles("[aria-label='Pictures of bright']", [
		...pictures(1, 8),
		{ name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") },
	]);
	await says(page, "count-1", /^8 pictures$/);
	await says(page, "set-aside", /broken\.png/);
	await says(page, "sent", /\d+ bytes/);
	const pixels = (id: string) =>
		page.locator(`#${id}`).evaluate((canvas) => {
			const { width, height } = canvas as unknown as { width: number; height: number };
			return [width, height];
		});
	t.deepEqual(await pixels("original"), [8, 8]);
	t.true(((await pixels("smashed"))[0] as number) > 0);

	const wards = ["ward-1", "ward-2"].map(async (id) => {
		await using device = await Device.connect({
			url: cloud.url,
			id,
			runtime: nodeRuntime,
			data: { train: dataset(16) },
		});
		for await (const _ of device.train());
	});
	await page.click("#train");
	const { counts, reason } = await cloud.aggregator.result;
	await Promise.all(wards);
	t.is(reason, "finished");
	t.like(counts, { lost: 0, doubled: 0, refused: 0, samples: 2 * 48 });
	await says(page, "progress", /Trained \(finished\)/);
	await says(page, "traffic", /kB sent/);

	await page.setInputFiles("#question", pictures(1, 1)[0] as never);
	await says(page, "decision", /by the whole system/);
	t.is(await page.textContent("#failure"), "");
});

test("DICOM files and pictures that are dropped on a class are its samples", async (t) => {
	const { joint } = await smallModel("none");
	await using cloud = await startCloud(joint, { rounds: 0 }, { webSocketOrigins: [site().origin] });
	const page = await open(t);
	await connect(page, cloud.webSocketUrl as string);
	const scan = hasShared
		? await readFile(sharedPath("data", "dicom", "CT_small.dcm"))
		: dicomBytes({ pixels: words(Array.from({ length: 16 }, (_, i) => 100 * i)) });
	const dropped = [
		{ name: "IM000001", base64: Buffer.from(scan).toString("base64") },
		{ name: "a.png", base64: pictures(1, 1)[0]?.buffer.toString("base64") as string },
		{ name: "cut.dcm", base64: Buffer.from(scan).subarray(0, 200).toString("base64") },
	];
	const transfer = await page.evaluateHandle((files) => {
		const browser = globalThis as unknown as {
			DataTransfer: new () => { items: { add(file: unknown): void } };
			File: new (parts: unknown[], name: string) => unknown;
		};
		const data = new browser.DataTransfer();
		for (const { name, base64 } of files) {
			data.items.add(new browser.File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
		}
		return data;
	}, dropped);
	await page.dispatchEvent("#classes fieldset:nth-child(2)", "drop", { dataTransfer: transfer });
	await says(page, "count-1", /^2 pictures$/);
	await says(page, "set-aside", /cut\.dcm/);
	await says(page, "sent", /\d+ bytes/);
	t.is(await page.textContent("#count-0"), "0 pictures");
	t.is(await page.textContent("#failure"), "");
});

test("the camera's pictures are samples until the button is pressed again", async (t) => {
	const { joint } = await smallModel("none");
	await using cloud = await startCloud(joint, { rounds: 0 }, { webSocketOrigins: [site().origin] });
	const page = await open(t);
	await connect(page, cloud.webSocketUrl as string);
	await page.click("#camera");
	await says(page, "count-0", /^[2-9] pictures$/);
	await says(page, "sent", /\d+ bytes/);
	await page.click("#camera");
	await says(page, "camera", /^Take a picture every second$/);
	t.is(await page.textContent("#count-1"), "0 pictures");
	t.is(await page.textContent("#failure"), "");
});

test("a page that loses the broker answers alone, and goes on when it is back", async (t) => {
	const { joint } = await smallModel("none");
	const origins = { webSocketOrigins: [site().origin] };
	let cloud = await startCloud(joint, { rounds: 0 }, origins);
	const { port } = new URL(cloud.webSocketUrl as string);
	const page = await open(t);
	await connect(page, cloud.webSocketUrl as string);
	await says(page, "link", /on line/);
	await cloud[Symbol.asyncDispose]();
	await says(page, "link", /off line/);
	await page.setInputFiles("#question", pictures(0, 1)[0] as never);
	await says(page, "decision", /by this device alone/);
	cloud = await startCloud(joint, { rounds: 0 }, { ...origins, webSocketPort: Number(port) });
	await says(page, "link", /on line/);
	await page.setInputFiles("#question", pictures(1, 1)[0] as never);
	await says(page, "decision", /by the whole system/);
	t.is(await page.textContent("#failure"), "");
	await cloud[Symbol.asyncDispose]();
});

test("the page reloaded in the middle of a round goes on in it, and nothing is doubled", async (t) => {
	const { joint } = await smallModel("none");
	await using cloud = await startCloud(
		joint,
		{ rounds: 2, batchSize: 2, minDevices: 1, seed: 1 },
		{ webSocketOrigins: [site().origin] },
	);
	const steps = new EventReader(cloud.aggregator.events());
	const page = await open(t);
	await connect(page, cloud.webSocketUrl as string);
	await page.setInputFiles("[aria-label='Pictures of dark']", pictures(0, 8));
	await page.setInputFiles("[aria-label='Pictures of bright']", pictures(1, 8));
	await says(page, "count-1", /^8 pictures$/);
	await page.click("#train");
	await steps.next("step");
	await page.reload();
	await connect(page, cloud.webSocketUrl as string);
	await says(page, "count-1", /^8 pictures$/);
	await page.click("#train");
	const { counts } = await cloud.aggregator.result;
	t.like(counts, { lost: 0, doubled: 0, samples: 2 * 16 });
});

test("the page's own scripts are small, and everything comes from its own origin", async (t) => {
	const assets = join(site().folder, "assets");
	let bytes = 0;
	for (const name of await readdir(assets)) {
		if (name.endsWith(".js") && !name.startsWith("ort.") && !name.startsWith("mqtt")) {
			bytes += (await stat(join(assets, name))).size;
		}
	}
	t.true(bytes > 50_000 && bytes <= 400_000, `${bytes} bytes`);
	const page = await open(t);
	const asked: string[] = [];
	page.on("request", (request) => asked.push(new URL(request.url()).origin));
	await page.reload();
	await page.waitForLoadState("networkidle");
	t.true(asked.length > 2);
	t.deepEqual([...new Set(asked)], [site().origin]);
});
