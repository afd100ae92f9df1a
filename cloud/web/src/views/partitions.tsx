import type { PartitionFigures } from "../../../src/operations/board/storage-figures.js";
import { count, moment } from "../format.js";
import { Table } from "../parts/table.js";

/** Parts of a run that lies on a store: who has them, and how far they are. */
export function Partitions({ partitions }: { partitions: readonly PartitionFigures[] }) {
	return (
		<Table
			label="Partitions"
			rows={partitions}
			keyOf={({ partition }) => partition}
			empty=""
			columns={[
				{ title: "Partition", cell: ({ partition }) => partition },
				{ title: "State", cell: ({ state }) => state },
				{ title: "Rounds", number: true, cell: ({ round }) => count(round) },
				{ title: "Devices on line", number: true, cell: ({ devicesOnline }) => count(devicesOnline) },
				{ title: "Owner's epoch", number: true, cell: ({ owner }) => count(owner) },
				{ title: "Told of itself", cell: ({ heardAt }) => moment(heardAt) },
			]}
		/>
	);
}
