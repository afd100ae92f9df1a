import type { Pictures } from "../api.js";
import { SampleCanvas } from "../parts/sample-canvas.js";
import { Scroll } from "../parts/scroll.js";

/** Rows of pictures: originals, what left the device, what attacks rebuilt. */
export function PictureGrid({ pictures: { rows, victims } }: { pictures: Pictures }) {
	return (
		<Scroll label="Pictures of the audit">
			<table class="pictures">
				<thead>
					<tr>
						<td />
						{victims.map((name, i) => (
							<th key={`${i}-${name}`} scope="col">
								{name}
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{rows.map(({ name, kind, shape, samples }) => (
						<tr key={`${kind}-${name}`} class={kind}>
							<th scope="row">{name}</th>
							{samples.map((values, i) => (
								<td key={`${i}-${victims[i]}`}>
									<SampleCanvas
										shape={shape}
										values={values}
										smashed={kind === "smashed"}
										label={`${name}, victim ${i + 1}`}
									/>
								</td>
							))}
						</tr>
					))}
				</tbody>
			</table>
		</Scroll>
	);
}
