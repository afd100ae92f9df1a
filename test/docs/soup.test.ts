import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { licencesPage } from "../helpers/licences-page.js";
import { projectFolder } from "../helpers/run-cli.js";

interface Lock {
	readonly packages: Readonly<
		Record<
			string,
			{ readonly version?: string; readonly license?: string; readonly resolved?: string; readonly link?: true }
		>
	>;
}

const packages = ["sdk", "models", "cloud", "firmware-sim"];
const readJson = async (path: string) => JSON.parse(await readFile(join(projectFolder, path), "utf8")) as unknown;

test("docs/soup.md lists every package psgl runs on, as the lock file has it, and no other", async (t) => {
	const lock = (await readJson("package-lock.json")) as Lock;
	const users = new Map<string, string[]>();
	for (const name of packages) {
		const { dependencies = {} } = (await readJson(`${name}/package.json`)) as { dependencies?: Record<string, string> };
		for (const used of Object.keys(dependencies)) {
			if (!used.startsWith("@psgl/")) users.set(used, [...(users.get(used) ?? []), name]);
		}
	}
	const text = await readFile(join(projectFolder, "docs/soup.md"), "utf8");
	const rows = Array.from(
		text.matchAll(/^\| `([^`]+)` \| (\S+) \| ([^|]+) \| ([^|]+) \|/gm),
		([, name, version, licence, inside]) => ({
			name,
			version,
			licence: licence?.trim(),
			inside: inside?.trim(),
		}),
	);
	const expected = [...users].map(([name, inside]) => {
		const { version, license: licence } = lock.packages[`node_modules/${name}`] ?? {};
		return { name, version, licence, inside: inside.join(", ") };
	});
	const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
		(a.name ?? "") < (b.name ?? "") ? -1 : 1;
	t.deepEqual(rows.sort(byName), expected.sort(byName));
});

test("the lock file names no registry, and installing runs nothing", async (t) => {
	const lock = (await readJson("package-lock.json")) as Lock;
	for (const [path, { resolved, link }] of Object.entries(lock.packages))
		t.true(resolved === undefined || link === true, path);
	t.regex(await readFile(join(projectFolder, ".npmrc"), "utf8"), /^ignore-scripts=true$/m);
});

test("docs/licences.md lists every package that is installed, by licence; none is unnamed or asks for more than notice", async (t) => {
	const page = await licencesPage();
	t.is(await readFile(join(projectFolder, "docs/licences.md"), "utf8"), page, "run npm run licences");
	const licences = Array.from(page.matchAll(/^## (.+)$/gm), ([, licence]) => licence as string);
	const known = [
		"0BSD",
		"Apache-2.0",
		"BSD-2-Clause",
		"BSD-3-Clause",
		"BlueOak-1.0.0",
		"CC0-1.0",
		"ISC",
		"MIT",
		"Unlicense",
		"Zlib",
	];
	for (const licence of licences) {
		const parts = licence.replaceAll(/[()]/g, "").split(/ AND | OR /);
		// libvips, which sharp loads as a library of its own.
		t.true(
			parts.every((part) => known.includes(part) || part === "LGPL-3.0-or-later"),
			licence,
		);
	}
});
