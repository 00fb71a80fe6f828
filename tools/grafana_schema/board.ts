// A board of ours in Grafana's own types: the document, and of each kind of panel its options and its fields.
import type * as common from "@grafana/schema";
import type * as bargauge from "@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen";
import type * as heatmap from "@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen";
import type * as stat from "@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen";
import type * as statetimeline from "@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen";
import type * as table from "@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen";
import type * as text from "@grafana/schema/dist/types/raw/composable/text/panelcfg/x/types.gen";
import type * as timeseries from "@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen";
import type { Prometheus } from "@grafana/prometheus/dist/types/dataquery";

// A waterfall asks Jaeger for one trace; the types of that query are in no package.
interface Jaeger extends common.DataQuery {
  query: string;
}

// In Grafana's types a few keys that it writes and reads itself are missing: links of fields, and an annotation's query.
interface Link {
  title: string;
  url: string;
  targetBlank?: boolean;
}
interface Field<Custom> extends Omit<common.FieldConfig, "custom" | "links"> {
  custom?: Partial<Custom>;
  links?: Link[];
}
interface Fields<Custom> {
  defaults: Field<Custom>;
  overrides: common.FieldConfigSource["overrides"];
}
interface Of<Type extends string, Options, Custom, Query>
  extends Omit<common.Panel, "type" | "options" | "fieldConfig" | "targets"> {
  type: Type;
  title: string;
  description: string;
  options?: Partial<Options>;
  fieldConfig?: Fields<Custom>;
  targets?: Query[];
}
type Nothing = Record<string, never>;
type Panel =
  | Of<"timeseries", timeseries.Options, timeseries.FieldConfig, Prometheus>
  | Of<"heatmap", heatmap.Options, heatmap.FieldConfig, Prometheus>
  | Of<"stat", stat.Options, Nothing, Prometheus>
  | Of<"bargauge", bargauge.Options, Nothing, Prometheus>
  | Of<"table", table.Options, table.FieldConfig, Prometheus | Jaeger>
  | Of<"state-timeline", statetimeline.Options, statetimeline.FieldConfig, Prometheus>
  | Of<"text", text.Options, Nothing, never>
  | Of<"traces", Nothing, Nothing, Jaeger>;
interface Row extends Omit<common.RowPanel, "panels"> {
  panels: Panel[];
}
interface Annotation extends common.AnnotationQuery {
  expr?: string;
  titleFormat?: string;
  textFormat?: string;
  step?: string;
  useValueForTime?: string;
  tagKeys?: string;
}

export interface Board extends Omit<common.Dashboard, "panels" | "annotations"> {
  uid: string;
  title: string;
  panels: (Panel | Row)[];
  annotations: { list: Annotation[] };
}
