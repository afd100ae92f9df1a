import type { InstalledPackage } from "./installed-package.js";

/** What a bundle is made of, as CycloneDX 1.5 JSON: psgl and every package whose code is inside. */
export function billOfMaterials(version: string, packages: readonly InstalledPackage[]): string {
	const components = [...new Map(packages.map((used) => [packageUrl(used), used]))]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([purl, { name, version, license }]) => ({
			"bom-ref": purl,
			type: "library",
			name,
			version,
			purl,
			...(license !== undefined && { licenses: [licenceChoice(license)] }),
		}));
	const bom = {
		bomFormat: "CycloneDX",
		specVersion: "1.5",
		version: 1,
		metadata: { component: { type: "application", name: "psgl-device", version } },
		components,
	};
	return `${JSON.stringify(bom, null, "\t")}\n`;
}

/** Package URL of npm, whose scopes' @ is escaped (purl-spec, types/npm); Node.js comes from elsewhere. */
const packageUrl = ({ name, version }: InstalledPackage): string =>
	name === "node" ? `pkg:generic/node@${version}` : `pkg:npm/${name.replace("@", "%40")}@${version}`;

const licenceChoice = (licence: string) =>
	/ (AND|OR|WITH) /.test(licence) ? { expression: licence } : { license: { id: licence } };
