import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { browserSite } from "../helpers/browser.js";
import { startCloud } from "../helpers/cloud.js";
import { projectFolder } from "../helpers/run-cli.js";

const run = promisify(execFile);

// Inside the project, so that its packages are found.
const folder = "build/snippets/browser";

/** What a page around the program has: the broker's address, and pictures that somebody chose. */
const before = `
const broker = new URLSearchParams(location.search).get("broker") ?? await new Promise<string>(() => {});
const pictures = await Promise.all(Array.from({ length: 8 }, async (_, i) => {
	const canvas = new OffscreenCanvas(28, 28);
	const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
	context.fillStyle = i % 2 === 0 ? "#202020" : "#e0e0e0";
	context.fillRect(0, 0, 28, 28);
	return { name: \`\${i}.png\`, label: i % 2, file: await canvas.convertToBlob() };
}));
`;

const text = await readFile(join(projectFolder, "docs/browser.md"), "utf8");
const [, program = ""] = text.match(/```ts\n([\s\S]*?)```/) ?? [];
const imports = program.slice(0, program.indexOf("\n") + 1);
const rest = program.slice(imports.length).replace(/"wss:[^"]*"/, "broker");
await mkdir(join(projectFolder, folder), { recursive: true });
await writeFile(join(projectFolder, folder, "program.ts"), imports + before + rest);
await writeFile(
	join(projectFolder, folder, "index.html"),
	'<!doctype html><link rel="icon" href="data:,"><script type="module" src="./program.ts"></script>',
);

const { test, site, open } = browserSite(folder);

test("the program in docs/browser.md compiles and trains", async (t) => {
	t.regex(rest, /url: broker,/);
	const options =
		"--ignoreConfig --noEmit --target ES2023 --module ESNext --moduleResolution bundler --strict --skipLibCheck";
	const tsc = join(projectFolder, "node_modules", ".bin", "tsc");
	await run(tsc, [...options.split(" "), "program.ts"], { cwd: join(projectFolder, folder) });

	const definition = presetDefinition("robust", zooNetwork("lenet"), [1, 28, 28], ["normal", "pneumonia"]);
	const artifact = await compileArtifact(definition, { name: "snippet", random: seededRandom(1) });
	const settings = { rounds: 1, batchSize: 4 };
	await using cloud = await startCloud(artifact, settings, { webSocketOrigins: [site().origin] });
	const page = await open(t);
	const lines: string[] = [];
	const ended = page.waitForEvent("console", (message) => {
		lines.push(message.text());
		return message.text() === "end";
	});
	await page.goto(`${site().origin}/?broker=${encodeURIComponent(cloud.webSocketUrl as string)}`);
	await ended;
	t.true(lines.includes("round") && lines.includes("step"), lines.join());
	t.is((await cloud.aggregator.result).counts.samples, 8);
});
