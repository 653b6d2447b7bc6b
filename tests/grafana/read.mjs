// Reads replies as Grafana does, from the standard input to the standard output: [{"by": .., "reply": ..}, ..] ->
// [[frame, ..], ..]. What each data source does to a reply before that is done here as it does it.
import { readFileSync } from 'node:fs';
import {
  arrayToDataFrame,
  createTheme,
  getDisplayProcessor,
  getFieldDisplayName,
  getValueFormats,
  readCSV,
  toDataFrame,
} from '@grafana/data';

globalThis.window = { grafanaBootData: { settings: { featureToggles: {} } } };
const theme = createTheme();
const readers = {
  // SimpleJSON hands its reply on as it is, which Grafana then reads; simPod's data source does that itself.
  frames: (reply) => reply.map(toDataFrame),
  // Grafana's own Graphite data source, in the browser: stamps in seconds, and the name is nobody's but the target's.
  graphite: (reply) =>
    (reply.series ?? reply).map((series) =>
      toDataFrame({
        ...series,
        title: series.target,
        datapoints: series.datapoints.map(([value, seconds]) => [value, seconds * 1000]),
      })
    ),
  csv: (reply) => readCSV(reply),
  rows: (reply) => [arrayToDataFrame(reply)],
  units: () => [
    { fields: [{ name: 'units', values: getValueFormats().flatMap((group) => group.submenu.map(({ value }) => value)) }] },
  ],
};

function told(frame, frames) {
  return {
    name: frame.name,
    refId: frame.refId,
    meta: frame.meta,
    length: frame.length,
    fields: frame.fields.map((field) => ({
      name: field.name,
      type: field.type,
      labels: field.labels,
      config: field.config,
      values: [...field.values],
      title: field.type && getFieldDisplayName(field, frame, frames),
      shown: field.type && [...field.values].slice(0, 3).map((value) => {
        const { prefix = '', text, suffix = '' } = getDisplayProcessor({ field, theme, timeZone: 'utc' })(value);
        return prefix + text + suffix;
      }),
    })),
  };
}

const asked = JSON.parse(readFileSync(0, 'utf8'));
const read = asked.map(({ by, reply }) => readers[by](reply)).map((frames) => frames.map((each) => told(each, frames)));
process.stdout.write('\n' + JSON.stringify(read));
