import type { DeviceFigures } from "../../../src/operations/board/device-board.js";
import { count } from "../format.js";
import { Table } from "../parts/table.js";
import { useResource } from "../use-resource.js";

type Disclosure = NonNullable<DeviceFigures["disclosure"]>;

/** What each device's ledger counts. */
export function Disclosures() {
	const { value } = useResource("/devices", ["devices"]);
	const rows = (value?.devices ?? []).flatMap(({ id, disclosure }) =>
		disclosure === null ? [] : [{ id, ...disclosure }],
	);
	return (
		<Table
			label="Released by devices"
			rows={rows}
			keyOf={({ id }) => id}
			empty="No device told of a disclosure ledger; they do when they connect and leave."
			columns={[
				{ title: "Device", cell: ({ id }) => id },
				{ title: "Records", number: true, cell: ({ records }) => count(records) },
				{ title: "Releases", number: true, cell: ({ releases }) => count(releases) },
				{ title: "Bits in all", number: true, cell: ({ bits }) => count(bits) },
				{ title: "Most of one record", number: true, cell: (disclosure) => <Budget of={disclosure} /> },
				{ title: "Left out", number: true, cell: ({ leftOut }) => count(leftOut) },
			]}
		/>
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
