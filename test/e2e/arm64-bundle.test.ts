import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeArtifact } from "@psgl/sdk/artifact";
import test, { type ExecutionContext } from "ava";
import { trainThreeBatches } from "../helpers/bundled-device.js";
import { withPrograms } from "../helpers/outside-program.js";
import { projectFolder, runCli } from "../helpers/run-cli.js";
import { runProgram } from "../helpers/run-program.js";
import { sharedPath } from "../helpers/shared.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const emulation = sharedPath("tools", "arm64-node.sh");
const emulated = existsSync(emulation)
	? withPrograms("qemu-aarch64-static", "apt-get")
	: (title: string, run: (t: ExecutionContext) => Promise<void>) =>
			test.skip(`${title} (needs ../shared/tools/arm64-node.sh)`, run);

emulated("a bundle trains three batches on an emulated arm64 as on x64, and is small enough for it", async (t) => {
	t.timeout(600_000);
	const folder = await temporaryFolder(t);
	const file = join(folder, "joint.psgl");
	await runCli(`compile --zoo lenet --input 1x16x16 --classes left,right -o ${file}`.split(" "));
	await runProgram("bash", [emulation, join(folder, "emulated")]);
	const packages = join(folder, "packages");
	const { koffi, sharp } = await versions();
	const install = "install --ignore-scripts --no-audit --no-fund --os linux --cpu arm64 --libc glibc".split(" ");
	await runProgram("npm", [...install, "--prefix", packages, `koffi@${koffi}`, `sharp@${sharp}`], { cwd: folder });

	const bundle = async (target: string, ...more: string[]) => {
		const own = join(folder, target);
		await mkdir(own, { recursive: true });
		const archive = join(own, "device.tgz");
		const args = ["bundle", file, "--target", target, "--quick", "-o", archive, "--packages", packages, ...more];
		const made = await runCli(args);
		t.is(made.exitCode, 0, made.stderr);
		await runProgram("tar", ["xzf", archive, "-C", own]);
		return { unpacked: join(own, "psgl-device"), bytes: (await readFile(archive)).byteLength };
	};
	const withSharp = await bundle("linux-arm64", "--with-sharp");
	t.true(withSharp.bytes <= 22e6, `${withSharp.bytes} bytes with sharp`);
	const arm = await bundle("linux-arm64");
	t.true(arm.bytes <= 12e6, `${arm.bytes} bytes`);
	const x64 = await bundle("linux-x64");

	const node = join(folder, "emulated", "bin", "node-arm64");
	const installed = async (unpacked: string, program: string) => {
		const device = `${unpacked}-installed`;
		const env = { PATH: process.env.PATH, PSGL_NODE: program };
		await runProgram("sh", [join(unpacked, "install.sh"), device], { env });
		return device;
	};
	const artifact = await decodeArtifact(await readFile(file));
	const there = await trainThreeBatches(folder, await installed(arm.unpacked, node), node, artifact);
	const here = await trainThreeBatches(
		folder,
		await installed(x64.unpacked, process.execPath),
		process.execPath,
		artifact,
	);
	t.is(there.losses.length, 3);
	t.is(here.losses.length, 3);
	for (const [step, losses] of here.losses.entries()) {
		for (const [stream, loss] of Object.entries(losses)) {
			const other = there.losses[step]?.[stream] ?? Number.NaN;
			t.true(Math.abs(other - loss) <= 1e-4, `step ${step}, ${stream}: ${other} and ${loss}`);
		}
	}
});

async function versions(): Promise<{ readonly koffi: string; readonly sharp: string }> {
	const lock = JSON.parse(await readFile(join(projectFolder, "package-lock.json"), "utf8")) as {
		readonly packages: Readonly<Record<string, { readonly version: string }>>;
	};
	const of = (name: string) => lock.packages[`node_modules/${name}`]?.version ?? "";
	return { koffi: of("koffi"), sharp: of("sharp") };
}
