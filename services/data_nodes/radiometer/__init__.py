"""Water vapour above Cerro Toco, from the daily files of the UCSC radiometer."""
