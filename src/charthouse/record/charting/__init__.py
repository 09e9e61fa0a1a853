"""From stored resources to the rows a chart shows. Pure: each builder takes resources and returns rows."""
