import type { DeviceFigures } from "../../../src/operations/board/device-board.js";
import type { Audit } from "../api.js";
import { count, figure } from "../format.js";
import { Table } from "../parts/table.js";
import { useResource } from "../use-resource.js";

type Disclosure = NonNullable<DeviceFigures["disclosure"]>;

/** What each device's ledger counts, and what the audit found of its model. */
export function Disclosures({ audit }: { audit: Audit | undefined }) {
	const { value } = useResource("/devices", ["devices"]);
	const { value: models } = useResource("/models", ["devices", "models"]);
	const rows = (value?.devices ?? []).flatMap(({ id, model, disclosure }) =>
		disclosure === null ? [] : [{ id, model, ...disclosure }],
	);
	const served = models?.current;
	const { name, version } = audit?.origin.artifact ?? {};
	const isAudited = served !== undefined && served.name === name && served.version === version;
	const auditOf = ({ model }: Pick<DeviceFigures, "model">) =>
		isAudited && model?.digest === served?.clientDigest ? audit : undefined;
	return (
		<Table
			label="Released by devices"
			rows={rows}
			keyOf={({ id }) => id}
			empty="No device told of a disclosure ledger; they do when they connect and leave."
			columns={[
				{ title: "Device", cell: ({ id }) => id },
				{ title: "Leak of a release", number: true, cell: (device) => <Leak audit={auditOf(device)} /> },
				{ title: "Records", number: true, cell: ({ records }) => count(records) },
				{ title: "Releases", number: true, cell: ({ releases }) => count(releases) },
				{ title: "Bits in all", number: true, cell: ({ bits }) => count(bits) },
				{ title: "Most of one record", number: true, cell: (disclosure) => <Budget of={disclosure} /> },
				{ title: "Left out", number: true, cell: ({ leftOut }) => count(leftOut) },
			]}
		/>
	);
}

/** What attacks made of one release of the device's model; of many releases of a record they can make more. */
function Leak({ audit }: { audit: Audit | undefined }) {
	if (audit === undefined) return <span class="muted">its model was not audited</span>;
	return (
		<>
			{figure(audit.leak, 2)}, beyond the label {figure(audit.leakBeyondLabel, 2)}
		</>
	);
}

function Budget({ of: { mostBits, budgetBits } }: { of: Disclosure }) {
	if (budgetBits === null) return <>{count(mostBits)} bits, no budget</>;
	return (
		<>
			{count(mostBits)} of {count(budgetBits)} bits
			<progress value={mostBits} max={budgetBits} aria-label="Share of the budget" />
		</>
	);
}
