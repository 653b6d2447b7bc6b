// What a dashboard may be, by Grafana's own types. Those of @grafana/schema leave a panel's options open; here they are
// those of its kind.
import type { AnnotationQuery, Dashboard, FieldConfigSource, Panel, RowPanel } from '@grafana/schema';
import type { Options as List } from '@grafana/schema/dist/esm/raw/composable/dashboardlist/panelcfg/x/DashboardListPanelCfg_types.gen';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as Text } from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type { FieldConfig, Options as TimeSeries } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Of<Kind extends string, Options, Custom = {}> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Kind;
  options: Options;
  fieldConfig?: FieldConfigSource<Custom>;
  targets?: Query[];
};
// Grafana's Graphite queries have no published type; these are the members that its data source reads.
type Query = { refId: string; datasource: { type: 'graphite'; uid: string }; target: string; textEditor: boolean };

type Events = AnnotationQuery<{ refId: string; tags: string[]; queryType: 'tags'; fromAnnotations: true }>;

type Known = Omit<Dashboard, 'panels' | 'annotations'> & {
  annotations: { list: Events[] };
  panels: Array<Of<'timeseries', TimeSeries, FieldConfig> | Of<'stat', Stat> | Of<'text', Text> | Of<'dashlist', List> | RowPanel>;
};

// JSON knows no enumerations: a word stands for itself.
type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends Array<infer Item>
        ? Array<Plain<Item>>
        : { [Key in keyof T]: Plain<T[Key]> };

export type Board = Plain<Known>;
