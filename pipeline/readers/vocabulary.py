"""The words of credit reports: which kind of event a section, a title or a code means, its family and its severity.

Names are compared in lower case without spaces, dashes and underscores. Those of 企查查 are the ones of its public interface documents (see
docs/credit_reports.md); the others are what vendors and bureaus commonly write.
"""

import re

# Kind: family and severity from 1 (a note) to 5 (the customer cannot or will not pay).
KINDS = {
    "credit_report": ("report", 3),
    "report_item": ("report", 3),
    "lawsuit": ("court", 3),
    "lawsuit_as_plaintiff": ("claim", 1),
    "lawsuit_as_third_party": ("claim", 2),
    "court_notice": ("court", 2),
    "judgment": ("court", 3),
    "mediation": ("court", 2),
    "enforcement": ("enforcement", 4),
    "dishonest_debtor": ("enforcement", 5),
    "enforcement_without_assets": ("enforcement", 5),
    "consumption_limit": ("enforcement", 4),
    "exit_ban": ("enforcement", 4),
    "equity_freeze": ("enforcement", 4),
    "judicial_sale": ("enforcement", 4),
    "bankruptcy": ("insolvency", 5),
    "liquidation": ("insolvency", 5),
    "deregistration": ("insolvency", 4),
    "bond_default": ("insolvency", 5),
    "payment_default": ("insolvency", 4),
    "late_payment": ("payment", 2),
    "abnormal_operation": ("regulator", 3),
    "serious_violation": ("regulator", 5),
    "penalty": ("regulator", 2),
    "tax_arrears": ("regulator", 4),
    "tax_violation": ("regulator", 4),
    "pledge": ("security", 2),
    "guarantee": ("security", 2),
    "inquiry": ("inquiry", 1),
    "complaint": ("complaint", 2),
    "dispute": ("dispute", 3),
    "lifted": ("relief", 1),
    "other": ("other", None),
}
# Stages of one court case: they share its number.
STAGES = ("lawsuit", "court_notice", "judgment", "mediation")

_NAMED = {
    "lawsuit": "lawsuit,lawsuits,litigation,suit,casefiling,casefilingcheck,lian,立案信息,立案,立案信息核查,涉诉,诉讼,司法案件,法律诉讼",
    "judgment": "judgment,judgement,judgmentdoc,judgmentdoccheck,judgedoc,judgedoccheck,judgementitems,裁判文书,裁判文书核查,判决",
    "court_notice": "hearing,courtanno,courtannocheck,courtnotice,courtnoticecheck,cnoticecheck,deliverynotice,deliverynoticecheck,dnoticecheck,"
                     "开庭公告,开庭公告核查,法院公告,法院公告核查,送达公告,送达公告核查",
    "mediation": "mediation,prelitigationmediation,prelitigationmediationcheck,诉前调解,诉前调解核查",
    "enforcement": "enforcement,execution,zhixing,zhixingcheck,zhixingitems,zxcheck,被执行人,被执行,被执行人核查,被执行人信息,judgmentdebtor",
    "dishonest_debtor": "dishonestdebtor,dishonest,shixin,shixincheck,shixinitems,sxcheck,失信,失信核查,失信被执行人,失信信息",
    "enforcement_without_assets": "enforcementwithoutassets,endexecutecase,endexecutecasecheck,endexcasecheck,终本案件,终本案件核查,终结本次执行",
    "consumption_limit": "consumptionlimit,sumptuary,sumptuarycheck,限制高消费,限制高消费核查,限高,限制消费令",
    "exit_ban": "exitban,limitexit,limitexitcheck,限制出境,限制出境核查",
    "equity_freeze": "equityfreeze,equityfreezecheck,股权冻结,股权冻结核查,司法协助",
    "judicial_sale": "judicialsale,judicialsalecheck,inquiryassess,inquiryassesscheck,司法拍卖,司法拍卖核查,询价评估,询价评估核查",
    "bankruptcy": "bankruptcy,insolvency,bankruptcycheck,破产重整,破产重整核查,破产",
    "liquidation": "liquidation,liquidationcheck,清算,清算核查,清算信息",
    "deregistration": "deregistration,simplecancel,simplecancelcheck,offfiling,offfilingcheck,简易注销,简易注销核查,注销备案,注销备案核查",
    "bond_default": "bonddefault,creditorbreach,creditorbreachcheck,违约事项,违约事项核查,债券违约",
    "payment_default": "paymentdefault,default,chargeoff,writeoff,collection,nonperforming,违约,坏账,呆账",
    "late_payment": "latepayment,late,delinquency,arrears,overdue,pastdue,逾期",
    "abnormal_operation": "abnormaloperation,exception,exceptions,exceptioncheck,经营异常,经营异常核查,经营异常名录",
    "serious_violation": "seriousviolation,seriousillegal,seriousillegalcheck,严重违法,严重违法核查,disciplinary,disciplinarycheck,惩戒名单核查",
    "penalty": "penalty,fine,sanction,adminpenalty,adminpenaltycheck,penaltycreditchina,envpunishment,envpunishmentcheck,行政处罚,行政处罚核查,"
               "环保处罚,环保处罚核查",
    "tax_arrears": "taxarrears,taxowenotice,taxowenoticecheck,欠税,欠税公告,欠税公告核查",
    "tax_violation": "taxviolation,taxillegal,taxillegalcheck,taxabnormal,taxabnormalcheck,税收违法,税收违法核查,税务非正常户,税务非正常户核查",
    "pledge": "pledge,mpledge,equitypledged,equitypledgedcheck,stockrightpledge,stockrightpledgecheck,chattelmortgage,chattelmortgagecheck,"
              "landmortgage,landmortgagecheck,iprpledgecheck,股权出质,股权出质核查,股权质押,股权质押核查,动产抵押,动产抵押核查,土地抵押,土地抵押核查",
    "guarantee": "guarantee,guarantor,guarantorcheck,担保,担保明细,担保明细核查",
    "inquiry": "inquiry,enquiry,search,查询,查询记录",
    "complaint": "complaint,投诉",
    "dispute": "dispute,纠纷",
    "credit_report": "creditreport,report,score,信用报告",
}
_KIND_OF = {name: kind for kind, names in _NAMED.items() for name in names.split(",")}
# Lists of a report that are facts about the company, not events: a report keeps them beside its findings.
NOT_EVENTS = frozenset({
    "partners", "employees", "branches", "changerecords", "changelist", "originalname", "contactinfo", "moreemaillist", "moretellist", "orgcodelist",
    "stockinfo", "websitelist", "paging", "industry", "area", "patents", "trademarks", "copyrights", "certifications", "companyproducts",
    "companytaxcredititems", "permissioninfo", "permissioneciinfo", "spotcheck", "investments", "股东",
    "股东信息", "主要人员", "分支机构", "变更记录", "对外投资",
})
LEVELS = {
    "低风险": 1, "较低风险": 2, "中风险": 3, "中等风险": 3, "较高风险": 4, "高风险": 5,
    "low": 1, "lowrisk": 1, "lower": 2, "relativelylow": 2, "mediumlow": 2, "medium": 3, "moderate": 3, "mediumrisk": 3,
    "higher": 4, "relativelyhigh": 4, "mediumhigh": 4, "high": 5, "highrisk": 5,
}
PASSAGES = {
    "green": 1, "绿": 1, "绿灯": 1, "绿色": 1, "绿色通道": 1, "通过": 1, "pass": 1,
    "yellow": 2, "黄": 2, "黄灯": 2, "黄色": 2, "黄色通道": 2, "关注": 2, "amber": 2, "attention": 2, "review": 2,
    "red": 3, "红": 3, "红灯": 3, "红色": 3, "红色通道": 3, "不通过": 3, "reject": 3, "fail": 3,
}
PASSAGE_NAMES = (None, "green", "yellow", "red")
SEVERITY_OF_PASSAGE = (None, 1, 3, 5)
ROLES = {
    "原告": "plaintiff", "申请人": "plaintiff", "申请执行人": "plaintiff", "prosecutor": "plaintiff", "plaintiff": "plaintiff", "applicant": "plaintiff",
    "creditor": "plaintiff", "claimant": "plaintiff", "被告": "defendant", "被申请人": "defendant", "被执行人": "defendant", "被告人": "defendant",
    "defendant": "defendant", "respondent": "defendant", "debtor": "defendant", "第三人": "third_party", "thirdparty": "third_party",
}


def plain(name):
    """A name in lower case without spaces, dashes and underscores."""
    return re.sub(r"[\s_\-·:：]+", "", str(name)).lower()


def kind_of(name):
    """The kind of event that a section, title or code names; None where it names none that is known."""
    bare = plain(name)
    present = bare.removeprefix("history").removeprefix("历史")
    short = present.removesuffix("list").removesuffix("items").removesuffix("info")
    return next((_KIND_OF[form] for form in (bare, present, short) if form in _KIND_OF), None)
