"""The words of the tables in Chinese, for README.zh-CN.md and docs/zh/. Numbers are those of the results, always."""

from __future__ import annotations

from typing import Any

__all__ = ["WORDS", "chinese"]

WORDS = {
    # titles
    "Before and after, and its rivals": "剪枝前后，以及同等字节的对照",
    "MovieLens 1M: ease in a fraction of its bytes": "MovieLens 1M：把 ease 压到几十分之一字节",
    "DeepFM on Frappe in a fifth to a fiftieth of its bytes, cuts and bits in one plan": (
        "Frappe 上的 DeepFM：压到五分之一到五十分之一字节，剪枝与低比特在同一个方案里"
    ),
    "Fields that mean nothing in Frappe, 20 of them": "Frappe：混入 20 个毫无意义的特征域",
    # columns
    "": "",
    "model": "模型",
    "method": "方法",
    "features P": "特征参数 P",
    "network Q": "网络参数 Q",
    "parameters P": "特征参数 P",
    "Q": "网络参数 Q",
    "bytes": "字节",
    "of dense": "占原模型",
    "ms a request": "单次请求（毫秒）",
    "ms as served": "实际服务时单次请求（毫秒）",
    "served by": "服务方式",
    "ms by torch": "用 torch（毫秒）",
    "ms for 1,000": "1,000 个用户（毫秒）",
    "ms a 1,000": "1,000 行（毫秒）",
    "ms a 1,000 by torch": "1,000 行，用 torch（毫秒）",
    "seeds": "随机种子数",
    "precision@20": "精确率@20",
    "recall@20": "召回率@20",
    "f1@20": "F1@20",
    "ndcg@20": "NDCG@20",
    "recall@10": "召回率@10",
    "ndcg@10": "NDCG@10",
    "recall minus whole, %": "召回率相对变化（%）",
    "standard error, %": "标准误（%）",
    "standard error": "标准误",
    "auc": "AUC",
    "logloss": "对数损失",
    "auc minus dense": "AUC 与原模型之差",
    "left that should": "该删且已删",
    "precision": "精确率",
    "recall": "召回率",
    "real fields kept": "保留的真实特征域",
    "test AUC": "测试集 AUC",
    "minus clean log": "与干净日志之差",
    "CPU seconds": "CPU 秒",
    # rows
    "before": "剪枝前",
    "pruned": "剪枝后",
    "random pruning": "随机剪枝",
    "same size from scratch": "同样大小，从头训练",
    "before, int8 rows": "剪枝前，按行 int8",
    "before, int4 rows": "剪枝前，按行 int4",
    "int8 alone": "只用 int8",
    "int4 alone": "只用 int4",
    "dense": "原模型",
    "20%, pruned": "20%，剪枝",
    "20%, same size from scratch": "20%，同样大小，从头训练",
    "20%, rare ids and bits": "20%，只删低频 ID 并降比特",
    "10%, pruned": "10%，剪枝",
    "10%, same size from scratch": "10%，同样大小，从头训练",
    "10%, random units": "10%，随机剪枝",
    "10%, rare ids and bits": "10%，只删低频 ID 并降比特",
    "5%, pruned": "5%，剪枝",
    "5%, same size from scratch": "5%，同样大小，从头训练",
    "5%, rare ids and bits": "5%，只删低频 ID 并降比特",
    "2%, pruned": "2%，剪枝",
    "2%, same size from scratch": "2%，同样大小，从头训练",
    "2%, rare ids and bits": "2%，只删低频 ID 并降比特",
    "dense, trained as long": "原模型，训练同样久",
    "dense, int8": "原模型，int8",
    "dense, int4": "原模型，int4",
    "RFE, logistic, told the number": "RFE（逻辑回归），已告知个数",
    "RFECV, logistic": "RFECV（逻辑回归）",
    "mutual information, told the number": "互信息，已告知个数",
    "gradient boosting importance, told the number": "梯度提升树重要性，已告知个数",
    "permutation of HistGradientBoosting, told the number": "置换重要性（HistGradientBoosting），已告知个数",
    "permutation of HistGradientBoosting, above 2 sd": "置换重要性（HistGradientBoosting），高于 2 倍标准差",
    "all fields": "全部特征域",
    "clean log": "干净日志",
}
"""What stands in a result -> the same in Chinese."""


def chinese(result: dict[str, Any]) -> dict[str, Any]:
    """A result with its title, its columns and its words in Chinese; what has no translation stays, numbers too."""
    rows = [[_said(value) for value in row] for row in result["rows"]]
    columns = [_said(name) for name in result["columns"]]
    return {**result, "title": _said(result["title"]), "columns": columns, "rows": rows}


def _said(value: Any) -> Any:
    return WORDS.get(value, value) if isinstance(value, str) else value
